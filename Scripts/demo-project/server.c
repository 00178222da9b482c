// Says one line to everyone who connects: server PORT-FILE LINE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what) {
    perror(what);
    return EXIT_FAILURE;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: server PORT-FILE LINE\n");
        return EXIT_FAILURE;
    }
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    // Port 0: the kernel chooses a free one, which the file tells.
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 8) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        return fail("listen");
    FILE *file = fopen(argv[1], "w");
    if (!file || fprintf(file, "%d\n", ntohs(address.sin_port)) < 0 || fclose(file) != 0) return fail(argv[1]);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        dprintf(client, "%s\n", argv[2]);
        close(client);
    }
}
