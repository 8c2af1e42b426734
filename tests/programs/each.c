// SPDX-License-Identifier: Apache-2.0
/*
 * each WORD...: makes system calls by number and prints the result of each on a line of its own:
 * what it returned, or minus errno. A call is a word `NUMBER:` and its arguments, each a word:
 * `=NUMBER`; `&NUMBER`, the address of a large buffer that begins with this number of 64 bits and
 * has zeros behind it; `"TEXT`; or `@TEXT`, the address of a socket with that path. Descriptors: 7 is
 * the directory "at", 8 watches with inotify, 9 with fanotify, 10 is a tmpfs that is being configured,
 * 11 is a socket.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define ARGUMENTS 6

static uint64_t buffer[8192];
static struct sockaddr_un socket_address;

static long argument(const char *word)
{
	switch (*word++) {
	case '=':
		return strtoul(word, NULL, 0);
	case '&':
		buffer[0] = strtoul(word, NULL, 0);
		return (long)buffer;
	case '"':
		return (long)word;
	case '@':
		socket_address.sun_family = AF_UNIX;
		strncpy(socket_address.sun_path, word, sizeof(socket_address.sun_path));
		return (long)&socket_address;
	}
	exit(64);
}

static int is_number(const char *word)
{
	return word[strlen(word) - 1] == ':' && !strchr("\"@", *word);
}

int main(int argc, char **argv)
{
	dup2(open("at", O_RDONLY | O_DIRECTORY), 7);
	dup2(inotify_init(), 8);
	dup2(fanotify_init(FAN_CLASS_NOTIF, O_RDONLY), 9);
	dup2(syscall(SYS_fsopen, "tmpfs", 0), 10);
	dup2(socket(AF_UNIX, SOCK_STREAM, 0), 11);
	for (int i = 1; i < argc;) {
		long a[ARGUMENTS] = {0}, result, number = atol(argv[i++]);

		memset(buffer, 0, sizeof(buffer));
		for (int n = 0; n < ARGUMENTS && i < argc && !is_number(argv[i]); n++)
			a[n] = argument(argv[i++]);
		result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
		printf("%ld\n", result < 0 ? -errno : result);
	}
	return 0;
}
