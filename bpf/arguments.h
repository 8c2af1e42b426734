/* SPDX-License-Identifier: GPL-2.0 */
/* What a system call was made with, from the registers of its task. */

#define RESOLVE_IN_ROOT 0x10
#define AT_EXECVE_CHECK 0x10000
#define FSCONFIG_SET_PATH 3
#define FSCONFIG_SET_PATH_EMPTY 4
#define AF_UNIX 1
#define SOCKET_PATH_BYTES 108
#define SOCKET_STORAGE_BYTES 126 /* more than that is no address: struct sockaddr_storage */
#define EFAULT 14
#define MOST_RETURNED (64 << 10) /* XATTR_SIZE_MAX; what readlink(2) returns is less */

/*
 * Does an execveat only ask whether it would be allowed? Since Linux 6.14. What one that was more than
 * that has passed is gone: the new program begins with other registers, of which this one is 0.
 */
static inline bool is_question(u64 regs, struct spec *spec, bool compat)
{
	u64 flags = compat ? word(regs, AT_EXECVEAT_FLAGS_COMPAT) : word(regs, AT_EXECVEAT_FLAGS);

	return spec->flags && flags & AT_EXECVE_CHECK; /* execve has none */
}

/* Where the argument in word `place` of the registers is, counted from 1. */
static inline u64 argument_address(u64 regs, u8 place)
{
	return regs + REGS_FROM + sizeof(u64) * (place - 1);
}

/*
 * The registers of the current task as the program left them. Where the tracepoint does not tell
 * them, or the verifier has to know their type, they are the task's; that is known then.
 */
static inline u64 current_regs(struct bpf_raw_tracepoint_args *ctx, u64 *task)
{
#if defined(ON_EVENTS) || (defined(KNOWN_TYPES) && !defined(CAST_FUNCTION))
	*task = current_task();
	return (u64)bpf_task_pt_regs((struct task_struct *)*task);
#else
	return ctx->args[0];
#endif
}

static inline void copy_regs(struct call *call, u64 regs)
{
#if defined(CAST_FUNCTION)
	*(volatile u64 *)&call->regs[0] = regs;
#elif defined(KNOWN_TYPES)
#pragma unroll
	for (int i = 0; i < REGS_WORDS; i++)
		call->regs[i] = field(regs, REGS_FROM + i * sizeof(u64));
#else
	read_kernel(call->regs, sizeof(call->regs), (void *)(regs + REGS_FROM));
#endif
}

/* The argument in word `place` of the registers, counted from 1; 0 where there is none. */
static inline u64 argument(struct call *call, u8 place, bool compat)
{
	u64 index = (u64)place - 1, value;

	opaque(index);
	if (index >= REGS_WORDS)
		return 0;
#ifdef CAST_FUNCTION
	value = load(argument_address(*(volatile u64 *)&call->regs[0], place));
#else
	value = call->regs[index];
#endif
	return compat ? (u32)value : value;
}

static inline s32 dirfd_argument(struct call *call, u8 place, bool compat)
{
	return place ? (s32)argument(call, place, compat) : AT_FDCWD;
}

/* What a call has written, where it says itself how much; it is within what it may return at most. */
static inline u64 written_size(struct call *call, u8 words)
{
	u32 bytes = call->ret;

	if (call->ret < 0)
		return MOST_RETURNED;
	if (words == OUTPUT_HANDLE) { /* struct file_handle { u32 handle_bytes; int type; ... } */
		read_user(&bytes, sizeof(bytes), (void *)call->written_from);
		bytes += 2 * sizeof(u32);
	}
	return bytes;
}

/* Where the call has written to the program's memory; one that failed there, maybe to a part. */
static inline void find_written(struct call *call, struct spec *spec, bool compat)
{
	u8 words = spec->output_words;

	if (!spec->output || call->blocked || (call->ret < 0 && call->ret != -EFAULT))
		return;
	call->written_from = argument(call, spec->output, compat);
	if (words == OUTPUT_ARGS) /* struct xattr_args { u64 value; u32 size, flags; } */
		read_user(&call->written_from, sizeof(u64), (void *)call->written_from);
	call->written_to = call->written_from;
	if (words && words < OUTPUT_SPECIAL)
		call->written_to += words * 4;
	else
		call->written_to += written_size(call, words);
}

/*
 * An exec that fails late has the memory of the new program already, and kills: what is at the
 * address of the path now is not what was passed. The loader of ELF files sets end_code last.
 */
static inline bool has_lost_memory(struct call *call)
{
	if (!(call->act & ACT_EXEC))
		return false;
	return !load(load(call->task + AT_task_struct__mm) + AT_mm_struct__end_code);
}

/*
 * A socket's address has a path if it is a struct sockaddr_un { u16 family; char path[108]; } and not
 * abstract; it ends with the address, or before. `flags` is how long that is.
 */
static inline bool find_socket_path(struct call *call)
{
	u64 length = (u64)(u32)call->flags - sizeof(u16);
	char head[sizeof(u16) + 1] = {};

	call->kind |= KIND_NO_FLAGS;
	call->path_bytes = length < SOCKET_PATH_BYTES ? length : SOCKET_PATH_BYTES;
	if (length - 1 >= SOCKET_STORAGE_BYTES)
		return false;
	if (read_user(head, sizeof(head), (void *)call->path[0]))
		return call->ret >= 0; /* the kernel could read it: the row says that this could not */
	call->path[0] += sizeof(u16);
	return *(u16 *)head == AF_UNIX && head[sizeof(u16)];
}

/* fsconfig gets a path, or a number or whatever else, as its command says; sockets have addresses. */
static inline bool takes_path(struct call *call)
{
	u32 command = call->flags;

	if (call->act & ACT_SOCKET)
		return find_socket_path(call);
	return !(call->act & ACT_FSCONFIG) || command == FSCONFIG_SET_PATH ||
	       command == FSCONFIG_SET_PATH_EMPTY;
}

/* openat2 has its flags in user memory: struct open_how { u64 flags, mode, resolve; }. */
static inline void read_open_how(struct call *call)
{
	u64 how[3] = {};

	if (read_user(how, sizeof(how), (void *)call->flags))
		call->kind |= KIND_NO_FLAGS;
	call->flags = how[0];
	if (how[2] & RESOLVE_IN_ROOT)
		call->kind |= KIND_IN_ROOT;
}
