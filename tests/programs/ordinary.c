// SPDX-License-Identifier: Apache-2.0
/*
 * ordinary: calls functions of the C library, each with the path no/NAME, where NAME is its own
 * name and there is no directory "no".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#define CALL(name, ...) ((void)!name("no/" #name, ##__VA_ARGS__))

int main(void)
{
	static char buffer[PATH_MAX], *none[] = {NULL};
	struct statvfs vfs;
	struct statfs fs;
	struct stat status;

	CALL(open, O_RDONLY);
	CALL(creat, 0600);
	CALL(fopen, "r");
	CALL(opendir);
	CALL(stat, &status);
	CALL(lstat, &status);
	CALL(access, R_OK);
	CALL(readlink, buffer, sizeof(buffer));
	CALL(statfs, &fs);
	CALL(statvfs, &vfs);
	CALL(chdir);
	CALL(chroot);
	CALL(mkdir, 0700);
	CALL(mkfifo, 0600);
	CALL(rmdir);
	CALL(unlink);
	CALL(chmod, 0600);
	CALL(chown, 1, 1);
	CALL(lchown, 1, 1);
	CALL(utime, NULL);
	CALL(utimes, NULL);
	CALL(truncate, 0);
	CALL(getxattr, "user.x", buffer, sizeof(buffer));
	CALL(execv, none);
	CALL(execvp, none);
	return 0;
}
