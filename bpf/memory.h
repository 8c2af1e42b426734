/* SPDX-License-Identifier: GPL-2.0 */
/* Loads from the memory of programs and of the kernel. */

#define NULL ((void *)0)
#define barrier() asm volatile("" ::: "memory")
/* Keeps the compiler from dropping a bound it can prove but the verifier cannot. */
#define opaque(x) asm volatile("" : "+r"(x))

/*
 * The kernel's helpers of these names, declared once more: where BCC sees a call of its own
 * declaration, it goes through all of the kernel's symbols to learn whether there is such a helper,
 * which takes longer than to compile this; and where it may not see them, it calls another helper,
 * to which a program's bad pointer may be an address in the kernel.
 */
static int (*read_user)(void *to, u32 size, const void *from) = (void *)BPF_FUNC_probe_read_user;
static int (*read_user_str)(void *to, u32 size, const void *from) =
	(void *)BPF_FUNC_probe_read_user_str;
static int (*read_kernel)(void *to, u32 size, const void *from) =
	(void *)BPF_FUNC_probe_read_kernel;
static int (*read_kernel_str)(void *to, u32 size, const void *from) =
	(void *)BPF_FUNC_probe_read_kernel_str;

#ifdef CAST_FUNCTION
/*
 * Since Linux 6.2 a word is loaded from any address like this: the call, of which the verifier
 * leaves a move, gives the address the type of a structure that begins with a word; a load that
 * fails loads 0. It is a call of a function of the kernel's, named by the id of its type;
 * snoop_capture/kernel_calls.py says so in the instruction, for BCC makes calls of helpers alone.
 */
static u64 (*bpf_rdonly_cast)(u64 address, u64 type) = (void *)CAST_FUNCTION;

static inline u64 load(u64 address)
{
	return *(volatile u64 *)bpf_rdonly_cast(address, WORDS_TYPE);
}

static inline u32 load32(u64 address)
{
	return *(volatile u32 *)bpf_rdonly_cast(address, WORDS_TYPE);
}
#else
static inline u64 load(u64 address)
{
	u64 value = 0;

	read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

static inline u32 load32(u64 address)
{
	u32 value = 0;

	read_kernel(&value, sizeof(value), (void *)address);
	return value;
}
#endif

/*
 * What is known of the current task, and of the call that it makes. Each call of a helper costs as
 * much as a good part of this program; since Linux 5.15 the verifier knows the types of these
 * structures, and lets their fields be loaded without one. `field` is for what current_task() has
 * given, and for what that leads to; the verifier searches all of the kernel's types, for a millisecond
 * or two, each time that such a field leads to another structure. `word` is for what task_of() leads
 * to, which may have been kept in memory: its type is lost then, and not needed either.
 */
#ifdef KNOWN_TYPES
static inline u64 current_task(void)
{
	return (u64)bpf_get_current_task_btf();
}

static inline u64 field(u64 address, u64 at)
{
	return *(volatile u64 *)(address + at);
}

static inline u32 field32(u64 address, u64 at)
{
	return *(volatile u32 *)(address + at);
}
#else
static inline u64 current_task(void)
{
	return bpf_get_current_task();
}

static inline u64 field(u64 address, u64 at)
{
	return load(address + at);
}

static inline u32 field32(u64 address, u64 at)
{
	return load32(address + at);
}
#endif

#if defined(KNOWN_TYPES) && !defined(CAST_FUNCTION)
static inline u64 word(u64 address, u64 at)
{
	return field(address, at);
}

static inline u32 word32(u64 address, u64 at)
{
	return field32(address, at);
}
#else
static inline u64 word(u64 address, u64 at)
{
	return load(address + at);
}

static inline u32 word32(u64 address, u64 at)
{
	return load32(address + at);
}
#endif
