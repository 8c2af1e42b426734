/* SPDX-License-Identifier: GPL-2.0 */
/* By which of the machine's ABIs a call was made. */

/* A word of flags in thread_info, which is the head of task_struct. */
static inline u32 thread_word(u64 task, u32 number)
{
	return field32(task, number * sizeof(u32));
}

/*
 * A call of the x32 ABI has the number of the 64-bit call and a bit, but for those whose arguments
 * are laid out as for 32 bits: of ours the execs (arch/x86/entry/syscalls/syscall_64.tbl).
 */
static inline u32 plain_number(u32 nr)
{
#ifdef X32_BIT
	if (!(nr & X32_BIT))
		return nr;
	nr &= ~X32_BIT;
	return nr == X32_EXECVE ? NR_EXECVE : nr == X32_EXECVEAT ? NR_EXECVEAT : nr;
#else
	return nr;
#endif
}

/* A 32-bit call, also one made by int 0x80 from 64-bit code, has its arguments elsewhere. */
static inline bool is_compat(u64 task)
{
	return thread_word(task, COMPAT_WORD) & COMPAT_BIT;
}
