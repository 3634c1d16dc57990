/* Connects, asks, takes the answer and closes, so many connections at once, over kernel sockets: Asking of
   bench/peers.py without an interpreter, for servers that are faster than one.

       client ADDRESS SECONDS AT_ONCE PORT      prints how many a second were answered */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64 };

static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
static const char RESPONSE[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static struct sockaddr_in server;
static int events;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void open_one(void)
{
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct epoll_event wanted = {.events = EPOLLOUT, .data.fd = connection};
    if (connection < 0)
        fail("socket");
    if (connect(connection, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        fail("connect");
    if (epoll_ctl(events, EPOLL_CTL_ADD, connection, &wanted) < 0)
        fail("epoll_ctl");
}

/* Whether this was an answer. */
static int on_event(const struct epoll_event *event)
{
    char answer[4096];
    int connection = event->data.fd;
    if (event->events & (EPOLLERR | EPOLLHUP))
        fail("no answer");
    if (event->events & EPOLLOUT) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.fd = connection};
        if (send(connection, REQUEST, sizeof REQUEST - 1, 0) < 0)
            fail("send");
        epoll_ctl(events, EPOLL_CTL_MOD, connection, &wanted);
        return 0;
    }
    ssize_t octets = recv(connection, answer, sizeof answer, 0);
    if (octets != sizeof RESPONSE - 1 || memcmp(answer, RESPONSE, octets))
        fail("not the answer that was expected");
    close(connection);
    open_one();
    return 1;
}

int main(int count, char **arguments)
{
    if (count != 5)
        return 2;
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(arguments[4]))};
    inet_pton(AF_INET, arguments[1], &server.sin_addr);
    events = epoll_create1(0);
    double started = now(), elapsed;
    long answered = 0;
    for (int i = 0; i < atoi(arguments[3]); i++)
        open_one();
    while ((elapsed = now() - started) < atof(arguments[2])) {
        struct epoll_event ready[EVENTS];
        int many = epoll_wait(events, ready, EVENTS, 100);
        for (int i = 0; i < many; i++)
            answered += on_event(&ready[i]);
    }
    printf("%f\n", answered / elapsed);
}
