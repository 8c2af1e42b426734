// SPDX-License-Identifier: Apache-2.0
/*
 * plugins PORT: a web server for one page at a time. "/" answers what its library says, "/plugin"
 * what a plug-in says that is only then loaded, "/outside" what is in a file outside of the root
 * that a child changes to, any other page the file of this name in /app.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

const char *greeting(void);

static void send_file(FILE *client, const char *path)
{
	FILE *file = fopen(path, "r");
	char line[4096];

	fprintf(client, "HTTP/1.0 %s\r\n\r\n", file ? "200 OK" : "404 Not Found");
	while (file && fgets(line, sizeof(line), file))
		fputs(line, client);
	if (file)
		fclose(file);
}

static void send_from_outside(FILE *client)
{
	if (fork() == 0) {
		if (!chdir("/data") && !chroot("/app"))
			send_file(client, "page");
		fflush(client);
		_exit(0);
	}
	wait(NULL);
}

static void send_from_plugin(FILE *client)
{
	void *plugin = dlopen("plugin.so", RTLD_NOW);
	const char *(*text)(void) = plugin ? dlsym(plugin, "text") : NULL;

	fprintf(client, "HTTP/1.0 200 OK\r\n\r\n%s\n", text ? text() : dlerror());
}

static void answer(FILE *client, const char *page)
{
	char path[4096];

	if (!strcmp(page, "/")) {
		fprintf(client, "HTTP/1.0 200 OK\r\n\r\n%s\n", greeting());
	} else if (!strcmp(page, "/plugin")) {
		send_from_plugin(client);
	} else if (!strcmp(page, "/outside")) {
		send_from_outside(client);
	} else {
		snprintf(path, sizeof(path), "/app%s", page);
		send_file(client, path);
	}
}

int main(int count, char **words)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[count - 1]))};
	int server = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(server, (struct sockaddr *)&address, sizeof(address)) || listen(server, 16)) {
		perror("plugins");
		return 1;
	}
	for (;;) {
		FILE *client = fdopen(accept(server, NULL, NULL), "r+");
		char page[256], line[4096];

		if (!client)
			return 1;
		if (fscanf(client, "GET %255s", page) == 1) {
			while (fgets(line, sizeof(line), client) && line[0] != '\r')
				;
			fseek(client, 0, SEEK_CUR);
			answer(client, page);
		}
		fclose(client);
	}
}
