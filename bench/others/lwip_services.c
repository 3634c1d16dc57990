/* DISCARD (9), CHARGEN (19) and one answer to each request (80) on lwIP's raw API, on the TUN whose descriptor is given.

       lwip_services FD MTU ADDRESS

   The library is Debian's, with its options: windows of 64 KB, an MSS of 1460, timers in a thread of its own. Frames
   are read into the pbufs that the stack gets, and sent without a copy where it hands over one piece. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include <lwip/init.h>
#include <lwip/ip4.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <lwip/tcpip.h>

enum { BATCH = 64, MOST_PARTS = 16, DISCARD_PORT = 9, CHARGEN_PORT = 19, ANSWER_PORT = 80 };

static const char RESPONSE[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static char zeros[16384];
static int device, mtu;
static struct netif tun;

static err_t transmit(struct netif *netif, struct pbuf *packet, const ip4_addr_t *next_hop)
{
    struct iovec parts[MOST_PARTS];
    int count = 0;
    (void)netif, (void)next_hop;
    for (struct pbuf *part = packet; part && count < MOST_PARTS; part = part->next)
        parts[count++] = (struct iovec){part->payload, part->len};
    return writev(device, parts, count) < 0 ? ERR_IF : ERR_OK;
}

static err_t set_up(struct netif *netif)
{
    netif->name[0] = 't', netif->name[1] = 'n';
    netif->mtu = mtu;
    netif->output = transmit;
    netif->flags |= NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static err_t fill(void *argument, struct tcp_pcb *pcb, u16_t acknowledged)
{
    (void)argument, (void)acknowledged;
    while (tcp_sndbuf(pcb) && tcp_sndqueuelen(pcb) < TCP_SND_QUEUELEN) {
        u16_t octets = LWIP_MIN(tcp_sndbuf(pcb), sizeof zeros);
        if (tcp_write(pcb, zeros, octets, 0) != ERR_OK)
            break;
    }
    return tcp_output(pcb);
}

static err_t take(void *argument, struct tcp_pcb *pcb, struct pbuf *data, err_t error)
{
    (void)argument, (void)error;
    if (!data)
        return tcp_close(pcb);
    tcp_recved(pcb, data->tot_len);
    pbuf_free(data);
    if (pcb->local_port == ANSWER_PORT) {
        tcp_write(pcb, RESPONSE, sizeof RESPONSE - 1, 0);
        return tcp_output(pcb);
    }
    return ERR_OK;
}

static err_t welcome(void *argument, struct tcp_pcb *pcb, err_t error)
{
    (void)argument;
    if (error != ERR_OK || !pcb)
        return ERR_VAL;
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, take);
    if (pcb->local_port == CHARGEN_PORT) {
        tcp_sent(pcb, fill);
        return fill(NULL, pcb, 0);
    }
    return ERR_OK;
}

static void listen_on(u16_t port)
{
    struct tcp_pcb *pcb = tcp_new();
    if (!pcb || tcp_bind(pcb, IP_ANY_TYPE, port) != ERR_OK || !(pcb = tcp_listen_with_backlog(pcb, 255)))
        exit(1);
    tcp_accept(pcb, welcome);
}

static int receive_one(void)
{
    struct pbuf *packet = pbuf_alloc(PBUF_RAW, mtu, PBUF_RAM);
    if (!packet)
        return 0;
    ssize_t octets = read(device, packet->payload, mtu);
    if (octets <= 0) {
        pbuf_free(packet);
        if (octets < 0 && errno != EAGAIN)
            exit(0);
        return 0;
    }
    pbuf_realloc(packet, octets);
    if (tun.input(packet, &tun) != ERR_OK)
        pbuf_free(packet);
    return 1;
}

int main(int count, char **arguments)
{
    ip4_addr_t address, mask, none = {0};
    if (count != 4)
        return 2;
    device = atoi(arguments[1]);
    mtu = atoi(arguments[2]);
    ip4addr_aton(arguments[3], &address);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    tcpip_init(NULL, NULL);
    LOCK_TCPIP_CORE();
    netif_add(&tun, &address, &mask, &none, NULL, set_up, ip4_input);
    netif_set_default(&tun);
    netif_set_up(&tun);
    listen_on(DISCARD_PORT);
    listen_on(CHARGEN_PORT);
    listen_on(ANSWER_PORT);
    UNLOCK_TCPIP_CORE();
    printf("ready\n");
    fflush(stdout);
    struct pollfd ready = {.fd = device, .events = POLLIN};
    for (;;) {
        poll(&ready, 1, -1);
        LOCK_TCPIP_CORE();
        for (int i = 0; i < BATCH && receive_one(); i++)
            ;
        UNLOCK_TCPIP_CORE();
    }
}
