// SPDX-License-Identifier: Apache-2.0
/*
 * numbers LAST: makes every system call from 0 to LAST with arguments of zero, but a seccomp filter
 * answers each of them with ENOSYS: only a tracer sees anything of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __x86_64__ /* uretprobe and uprobe: seccomp lets them by, and they kill */
#define IS_LEFT_OUT(number) ((number) == SYS_exit_group || (number) == 335 || (number) == 336)
#else
#define IS_LEFT_OUT(number) ((number) == SYS_exit_group)
#endif

int main(int argc, char **argv)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};

	if (argc != 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return 71;
	for (long number = 0; number <= atol(argv[1]); number++)
		if (!IS_LEFT_OUT(number))
			syscall(number, 0, 0, 0, 0, 0, 0);
	return 0;
}
