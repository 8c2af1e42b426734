// SPDX-License-Identifier: Apache-2.0
/*
 * tracer emulate|change: traces a process that calls faccessat("looked") and openat("opened").
 * emulate: answers both with 0 in the kernel's place, as User-Mode Linux and gVisor do. change:
 * makes a mkdirat of the one and nothing of the other.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;

static void make_calls(void)
{
	char looked[] = "looked", opened[] = "opened";

	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	syscall(SYS_faccessat, AT_FDCWD, looked, F_OK);
	syscall(SYS_openat, AT_FDCWD, opened, O_RDONLY);
	syscall(SYS_exit_group, 0);
}

#ifdef __x86_64__
static long number(void)
{
	struct user_regs_struct regs;

	ptrace(PTRACE_GETREGS, child, 0, &regs);
	return regs.orig_rax;
}

static void set(long number, long result)
{
	struct user_regs_struct regs;

	ptrace(PTRACE_GETREGS, child, 0, &regs);
	regs.orig_rax = number;
	regs.rax = result;
	ptrace(PTRACE_SETREGS, child, 0, &regs);
}
#else /* arm64 */
static struct iovec registers(struct user_regs_struct *regs)
{
	struct iovec vector = {regs, sizeof(*regs)};

	ptrace(PTRACE_GETREGSET, child, NT_PRSTATUS, &vector);
	return vector;
}

static long number(void)
{
	struct user_regs_struct regs;

	registers(&regs);
	return regs.regs[8];
}

static void set(long number, long result)
{
	struct user_regs_struct regs;
	struct iovec vector = registers(&regs), call = {&number, sizeof(int)};

	if (result == 0) {
		regs.regs[0] = result;
		ptrace(PTRACE_SETREGSET, child, NT_PRSTATUS, &vector);
	}
	ptrace(PTRACE_SETREGSET, child, NT_ARM_SYSTEM_CALL, &call);
}
#endif

static int next_stop(int request)
{
	int status;

	ptrace(request, child, 0, 0);
	waitpid(child, &status, 0);
	return WIFSTOPPED(status);
}

static void emulate(void)
{
	for (int i = 0; i < 2; i++) {
		next_stop(PTRACE_SYSEMU);
		set(number(), 0);
	}
	next_stop(PTRACE_SYSEMU); /* by now the second one has returned */
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void change(void)
{
	next_stop(PTRACE_SYSCALL);
	set(SYS_mkdirat, -1);
	next_stop(PTRACE_SYSCALL);
	next_stop(PTRACE_SYSCALL);
	set(-1, -1);
	while (next_stop(PTRACE_SYSCALL))
		;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 64;
	child = fork();
	if (child == 0)
		make_calls();
	waitpid(child, NULL, 0);
	if (!strcmp(argv[1], "emulate"))
		emulate();
	else
		change();
	return 0;
}
