// SPDX-License-Identifier: Apache-2.0
/*
 * late: seccomp filters that answer faccessat come when others are at work already. Each of the
 * processes that it starts, one after the other, makes calls with paths that say what becomes of
 * them: by/NAME is let by, and answered/NAME gets an answer of the filter.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int turn;
static int listener;

static int install(unsigned int flags, unsigned int action)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_faccessat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* The path is on the stack: there it can be read even if the kernel never did. */
static long look(const char *path)
{
	char copy[64];

	strcpy(copy, path);
	return syscall(SYS_faccessat, AT_FDCWD, copy, F_OK);
}

static void until(int number)
{
	while (turn != number)
		usleep(1000);
}

/* By now entries are watched. */
static void first(void)
{
	install(0, SECCOMP_RET_ERRNO | EPERM);
	for (int i = 0; i < 3; i++) {
		look("answered/first");
		usleep(500000);
	}
}

/* The call that is answered is the same as the one before, which was not. */
static void same_call(void)
{
	look("by/same");
	install(0, SECCOMP_RET_ERRNO | ENOENT);
	look("answered/same");
}

/* Nothing is known of a new process, and it gets a result that filters seldom give. */
static void new_process(void)
{
	install(0, SECCOMP_RET_ERRNO | 0);
	if (fork() == 0) {
		look("answered/new");
		_exit(0);
	}
	wait(NULL);
}

static void *other_thread(void *unused)
{
	(void)unused;
	look("by/thread");
	turn = 1;
	until(2);
	look("answered/thread");
	return NULL;
}

static void all_threads(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, other_thread, NULL);
	until(1);
	install(SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_RET_ERRNO | ENOENT);
	turn = 2;
	pthread_join(thread, NULL);
}

static void *supervise(void *unused)
{
	(void)unused;
	for (int i = 0; i < 2; i++) {
		struct seccomp_notif notification = {0};
		struct seccomp_notif_resp response = {0};

		ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification);
		response.id = notification.id;
		response.flags = i ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
	return NULL;
}

static void supervised(void)
{
	pthread_t thread;

	listener = install(SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_RET_USER_NOTIF);
	pthread_create(&thread, NULL, supervise, NULL);
	look("answered/supervised");
	look("by/supervised");
	pthread_join(thread, NULL);
}

int main(void)
{
	void (*parts[])(void) = {first, same_call, new_process, all_threads, supervised};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (fork() == 0) {
			parts[i]();
			_exit(0);
		}
		wait(NULL);
	}
	return 0;
}
