// SPDX-License-Identifier: Apache-2.0
/*
 * outlasting FIFO COUNT: opens a FIFO under a seccomp filter that lets every call by. Before the FIFO
 * has a writer so many other threads have made a call and ended.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *fifo;

static void *look(void *unused)
{
	access("/", F_OK);
	return unused;
}

static void *open_fifo(void *unused)
{
	syscall(SYS_openat, AT_FDCWD, fifo, O_RDONLY);
	return unused;
}

int main(int argc, char **argv)
{
	/* For all that the kernel knows it may answer: it looks at an argument. */
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};
	pthread_t reader, other;
	int writer = -1;

	if (argc < 3)
		return 64;
	fifo = argv[1];
	mkfifo(fifo, 0600);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	look(NULL);
	sleep(1); /* by now entries are watched */
	pthread_create(&reader, NULL, open_fifo, NULL);
	for (int i = atoi(argv[2]); i; i--) {
		pthread_create(&other, NULL, look, NULL);
		pthread_join(other, NULL);
	}
	writer = open(fifo, O_WRONLY);
	pthread_join(reader, NULL);
	return writer < 0;
}
