// SPDX-License-Identifier: Apache-2.0
/*
 * requests COUNT sqpoll|plain: makes calls through io_uring in the working directory, COUNT times
 * over, each after the one before, and prints the result of each on a line of its own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct io_uring ring;

static int run(struct io_uring_sqe *sqe)
{
	struct io_uring_cqe *cqe;
	int result;

	(void)sqe;
	io_uring_submit(&ring);
	io_uring_wait_cqe(&ring, &cqe);
	result = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	printf("%d\n", result);
	return result;
}

#define CALL(name, ...) \
	({ struct io_uring_sqe *sqe = io_uring_get_sqe(&ring); \
	   io_uring_prep_##name(sqe, __VA_ARGS__); run(sqe); })

int main(int argc, char **argv)
{
	struct open_how how = {.flags = O_RDONLY};
	struct statx status;
	char value[16];
	int directory = open("/etc", O_RDONLY | O_DIRECTORY);

	if (argc != 3 || io_uring_queue_init(8, &ring, strcmp(argv[2], "plain") ? IORING_SETUP_SQPOLL : 0))
		return 1;
	for (int i = atoi(argv[1]); i > 0; i--) {
		close(CALL(openat, AT_FDCWD, "/etc/hostname", O_RDONLY, 0));
		close(CALL(openat, directory, "passwd", O_RDONLY, 0));
		CALL(openat, AT_FDCWD, "missing", O_RDONLY, 0);
		close(CALL(openat2, AT_FDCWD, "/etc/group", &how));
		CALL(statx, AT_FDCWD, "/etc/passwd", 0, STATX_ALL, &status);
		CALL(mkdirat, AT_FDCWD, "made", 0755);
		CALL(renameat, AT_FDCWD, "made", AT_FDCWD, "moved", 0);
		CALL(symlinkat, "text", AT_FDCWD, "link");
		CALL(linkat, AT_FDCWD, "link", AT_FDCWD, "second", 0);
		CALL(getxattr, "user.none", value, "/etc/passwd", sizeof(value));
		CALL(unlinkat, AT_FDCWD, "link", 0);
		CALL(unlinkat, AT_FDCWD, "second", 0);
		CALL(unlinkat, AT_FDCWD, "moved", AT_REMOVEDIR);
	}
	return 0;
}
