// SPDX-License-Identifier: Apache-2.0
/*
 * refused: makes calls through io_uring that do not end as others do, in the working directory,
 * each after the one before, and prints the results that it gets:
 *
 *   - requests that are refused before they run: bad pointers, a path too long, a field that must
 *     be zero, an unknown flag;
 *   - chains: after a request that fails, or that was refused, the others are cancelled;
 *   - requests that tell nothing when they succeed, each followed by one in its place that does;
 *   - requests whose results find no room, and are told later;
 *   - one that still waits when its process ends.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BAD ((char *)16)
#define ROUNDS 50
#define SMALL 4
#define MANY 12

static struct io_uring ring;
static char long_path[5000];
static struct statx status;

static void submit_and_print(int count)
{
	struct io_uring_cqe *cqe;

	io_uring_submit(&ring);
	while (count--) {
		if (io_uring_wait_cqe(&ring, &cqe))
			_exit(71);
		printf("%d\n", cqe->res);
		io_uring_cqe_seen(&ring, cqe);
	}
}

#define ADD(name, bits, ...) \
	({ struct io_uring_sqe *sqe = io_uring_get_sqe(&ring); \
	   io_uring_prep_##name(sqe, __VA_ARGS__); sqe->flags |= (bits); sqe; })

static void refused(void)
{
	ADD(openat, 0, AT_FDCWD, NULL, O_RDONLY, 0), submit_and_print(1);
	ADD(openat, 0, AT_FDCWD, BAD, O_RDONLY, 0), submit_and_print(1);
	ADD(statx, 0, AT_FDCWD, long_path, 0, STATX_ALL, &status), submit_and_print(1);
	ADD(unlinkat, 0, AT_FDCWD, "field", 0)->buf_index = 1, submit_and_print(1);
	ADD(openat, 0x80, AT_FDCWD, "flag", O_RDONLY, 0), submit_and_print(1);
	ADD(openat2, 0, AT_FDCWD, "how", (struct open_how *)BAD), submit_and_print(1);
	ADD(linkat, 0, AT_FDCWD, "old", AT_FDCWD, BAD, 0), submit_and_print(1);
	ADD(symlinkat, 0, BAD, AT_FDCWD, "new"), submit_and_print(1);
	ADD(getxattr, 0, "user.none", (char *)&status, BAD, 16), submit_and_print(1);
}

static void chains(void)
{
	ADD(openat, IOSQE_IO_LINK, AT_FDCWD, "head", O_RDONLY, 0);
	ADD(mkdirat, IOSQE_IO_LINK, AT_FDCWD, "second", 0700);
	ADD(renameat, 0, AT_FDCWD, "third", AT_FDCWD, "fourth", 0);
	submit_and_print(3);
	ADD(mkdirat, IOSQE_IO_LINK, AT_FDCWD, "before", 0700);
	ADD(openat, IOSQE_IO_LINK, AT_FDCWD, BAD, O_RDONLY, 0);
	ADD(unlinkat, 0, AT_FDCWD, "after", 0);
	submit_and_print(3);
	ADD(mkdirat, IOSQE_IO_LINK | IOSQE_ASYNC, AT_FDCWD, "made", 0700);
	ADD(renameat, IOSQE_IO_LINK | IOSQE_ASYNC, AT_FDCWD, "made", AT_FDCWD, "moved", 0);
	ADD(unlinkat, 0, AT_FDCWD, "moved", AT_REMOVEDIR);
	submit_and_print(3);
}

static void silent(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		ADD(statx, IOSQE_CQE_SKIP_SUCCESS, AT_FDCWD, "/", 0, STATX_ALL, &status);
		submit_and_print(0);
		ADD(statx, 0, AT_FDCWD, "missing", 0, STATX_ALL, &status);
		submit_and_print(1);
	}
}

static void overflowing(void)
{
	struct io_uring_params params = {.flags = IORING_SETUP_CQSIZE, .cq_entries = SMALL};

	io_uring_queue_init_params(SMALL, &ring, &params);
	access("crowded", F_OK); /* from here on the kernel knows without waiting, in the order of requests */
	for (int i = 0; i < MANY; i++) {
		ADD(openat, 0, AT_FDCWD, "crowded", O_RDONLY, 0);
		io_uring_submit(&ring);
	}
	submit_and_print(MANY);
}

static void left(void)
{
	mkfifo("fifo", 0600);
	if (fork() == 0) {
		io_uring_queue_init(SMALL, &ring, 0);
		ADD(openat, IOSQE_ASYNC, AT_FDCWD, "fifo", O_RDONLY, 0);
		io_uring_submit(&ring);
		usleep(100000);
		_exit(0);
	}
	wait(NULL);
}

int main(void)
{
	setbuf(stdout, NULL);
	memset(long_path, 'l', sizeof(long_path) - 1);
	if (io_uring_queue_init(16, &ring, 0))
		return 71;
	refused();
	chains();
	silent();
	overflowing();
	left();
	return 0;
}
