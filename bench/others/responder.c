/* The dumb responder: what a TUN can carry when there is next to no TCP behind it.

   Serves DISCARD (9), CHARGEN (19) and one answer to each request (80) on the TUN whose descriptor it is given. It
   acknowledges once for each batch of reads, takes only what is in order, verifies no checksum, retransmits only when
   nothing at all has happened for a while, and sends zeros, so that their checksum is that of the headers.

       responder FD MTU VNET       VNET is 1 if frames begin with a virtio_net_hdr and may be super-segments
*/
#include <arpa/inet.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BATCH = 64, HEADERS = 40, MOST = 65535, VNET_OCTETS = 10, OUR_SCALE = 10, IDLE_MS = 200 };
enum { DISCARD = 9, CHARGEN = 19, ANSWER = 80 };

static const char RESPONSE[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

struct flow {
    int open, owes_ack, has_ended, scale;
    uint32_t local, remote;
    uint16_t local_port, remote_port;
    uint32_t una, nxt, rcv_nxt, window;
};

static struct flow flows[65536]; /* by the port of the peer: there is one */
static struct flow *touched[BATCH];
static int touched_count, device, vnet, mss, longest;
static char zeros[MOST];

static uint32_t add(const void *data, int octets, uint32_t sum)
{
    const uint8_t *at = data;
    for (; octets > 1; at += 2, octets -= 2)
        sum += at[0] << 8 | at[1];
    return octets ? sum + (at[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

struct header {
    struct virtio_net_hdr vnet;
    struct iphdr ip;
    struct tcphdr tcp;
    uint8_t options[8];
} __attribute__((packed));

/* Marks what the kernel has to do, or does it here. */
static void checksum(struct header *header, int tcp_octets, const char *data, int octets)
{
    uint32_t pseudo = add(&header->ip.saddr, 8, IPPROTO_TCP + tcp_octets + octets);
    header->ip.check = htons(~fold(add(&header->ip, 20, 0)));
    if (!vnet) {
        uint32_t sum = add(&header->tcp, tcp_octets, pseudo);
        header->tcp.check = htons(~fold(data == zeros ? sum : add(data, octets, sum)));
        return;
    }
    header->tcp.check = htons(fold(pseudo));
    header->vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    header->vnet.csum_start = 20;
    header->vnet.csum_offset = 16;
    if (octets > mss) {
        header->vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        header->vnet.gso_size = mss;
        header->vnet.hdr_len = 20 + tcp_octets;
    }
}

static int transmit(struct flow *flow, int flags, const char *data, int octets)
{
    struct header header = {0};
    int tcp_octets = flags & TH_SYN ? 28 : 20;
    header.ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP};
    header.ip.tot_len = htons(20 + tcp_octets + octets);
    header.ip.saddr = flow->local;
    header.ip.daddr = flow->remote;
    header.tcp.source = flow->local_port;
    header.tcp.dest = flow->remote_port;
    header.tcp.seq = htonl(flow->nxt);
    header.tcp.ack_seq = htonl(flow->rcv_nxt);
    header.tcp.doff = tcp_octets / 4;
    header.tcp.th_flags = flags;
    header.tcp.window = htons(flags & TH_SYN ? 65535 : 16384); /* 16 MB, scaled */
    if (flags & TH_SYN)
        memcpy(header.options, (uint8_t[]){2, 4, mss >> 8, mss & 255, 1, 3, 3, OUR_SCALE}, 8);
    checksum(&header, tcp_octets, data, octets);
    struct iovec parts[2] = {{(char *)&header + (vnet ? 0 : VNET_OCTETS), (vnet ? VNET_OCTETS : 0) + 20 + tcp_octets},
                             {(char *)data, octets}};
    if (writev(device, parts, 2) < 0)
        return 0;
    flow->nxt += octets + !!(flags & (TH_SYN | TH_FIN));
    flow->owes_ack = 0;
    return 1;
}

static void fill(struct flow *flow)
{
    for (int sent = 0; sent < BATCH; sent++) {
        int64_t room = (int64_t)flow->window - (int32_t)(flow->nxt - flow->una);
        int octets = room < longest ? room / mss * mss : longest;
        if (octets <= 0 || !transmit(flow, TH_ACK, zeros, octets))
            return;
    }
}

static int scale_of(const struct tcphdr *tcp)
{
    const uint8_t *at = (const uint8_t *)(tcp + 1), *end = (const uint8_t *)tcp + tcp->doff * 4;
    while (at < end && *at)
        if (*at == 1)
            at++;
        else if (*at == 3)
            return at[2];
        else
            at += at[1] ? at[1] : 1;
    return 0;
}

static void on_syn(struct flow *flow, const struct iphdr *ip, const struct tcphdr *tcp)
{
    *flow = (struct flow){.open = 1, .scale = scale_of(tcp), .local = ip->daddr, .remote = ip->saddr};
    flow->local_port = tcp->dest;
    flow->remote_port = tcp->source;
    flow->rcv_nxt = ntohl(tcp->seq) + 1;
    flow->una = flow->nxt = 1;
    transmit(flow, TH_SYN | TH_ACK, zeros, 0);
}

static void on_segment(char *frame, int octets)
{
    struct iphdr *ip = (struct iphdr *)frame;
    struct tcphdr *tcp = (struct tcphdr *)(frame + ip->ihl * 4);
    if (octets < HEADERS || ip->version != 4 || ip->protocol != IPPROTO_TCP)
        return;
    struct flow *flow = &flows[ntohs(tcp->source)];
    int length = octets - ip->ihl * 4 - tcp->doff * 4;
    if (tcp->th_flags & TH_RST)
        flow->open = 0;
    else if (tcp->th_flags & TH_SYN)
        on_syn(flow, ip, tcp);
    if (!flow->open || tcp->th_flags & TH_SYN)
        return;
    if ((int32_t)(ntohl(tcp->ack_seq) - flow->una) > 0)
        flow->una = ntohl(tcp->ack_seq);
    flow->window = (uint32_t)ntohs(tcp->window) << flow->scale;
    if (!flow->owes_ack && touched_count < BATCH) {
        flow->owes_ack = 1; /* or whatever else there is to say */
        touched[touched_count++] = flow;
    }
    if (ntohl(tcp->seq) != flow->rcv_nxt)
        return;
    flow->rcv_nxt += length;
    if (length && flow->local_port == htons(ANSWER))
        transmit(flow, TH_ACK | TH_PUSH, RESPONSE, sizeof RESPONSE - 1);
    if (tcp->th_flags & TH_FIN) {
        flow->rcv_nxt++;
        if (!flow->has_ended)
            transmit(flow, TH_ACK | TH_FIN, zeros, 0);
        flow->has_ended = 1;
    }
    flow->owes_ack |= length > 0 && flow->local_port != htons(ANSWER) ? 2 : 0;
}

static void answer_batch(void)
{
    for (int i = 0; i < touched_count; i++) {
        struct flow *flow = touched[i];
        if (flow->owes_ack & 2)
            transmit(flow, TH_ACK, zeros, 0);
        flow->owes_ack = 0;
        if (flow->open && flow->local_port == htons(CHARGEN))
            fill(flow);
    }
    touched_count = 0;
}

/* Nothing has come for a while: all that is not acknowledged goes out again. */
static void on_idle(void)
{
    for (int port = 0; port < 65536; port++)
        if (flows[port].open && flows[port].local_port == htons(CHARGEN)) {
            flows[port].nxt = flows[port].una;
            fill(&flows[port]);
        }
}

int main(int count, char **arguments)
{
    static char frame[VNET_OCTETS + MOST + 1];
    if (count != 4)
        return 2;
    device = atoi(arguments[1]);
    mss = atoi(arguments[2]) - HEADERS;
    vnet = atoi(arguments[3]);
    longest = vnet ? (MOST - HEADERS) / mss * mss : mss;
    struct pollfd ready = {.fd = device, .events = POLLIN};
    puts("ready");
    fflush(stdout);
    for (;;) {
        if (poll(&ready, 1, IDLE_MS) == 0)
            on_idle();
        for (int i = 0; i < BATCH; i++) {
            ssize_t octets = read(device, frame, sizeof frame);
            if (octets < 0 && errno != EAGAIN)
                return 0;
            if (octets < 0)
                break;
            int skip = vnet ? VNET_OCTETS : 0;
            on_segment(frame + skip, octets - skip);
        }
        answer_batch();
    }
}
