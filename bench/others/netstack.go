// DISCARD (9), CHARGEN (19) and one answer to each request (80) on gVisor's netstack.
//
//	netstack FD MTU ADDRESS [MAC]
//
// With a MAC the descriptor is a packet socket with virtio_net_hdr, and segments of 64 KB pass it (host GSO); without,
// it is a TUN.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"

	"gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const (
	nic         = 1
	bufferSize  = 4 << 20
	chunk       = 1 << 18
	discardPort = 9
	chargenPort = 19
	answerPort  = 80
	response    = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
)

func check(what string, err any) {
	if err != nil && fmt.Sprint(err) != "<nil>" {
		fmt.Fprintln(os.Stderr, what, err)
		os.Exit(1)
	}
}

func options(fd int, mtu uint32, mac string) *fdbased.Options {
	opts := &fdbased.Options{FDs: []int{fd}, MTU: mtu, RXChecksumOffload: true}
	if mac != "" {
		address, err := net.ParseMAC(mac)
		check("MAC", err)
		opts.Address = tcpip.LinkAddress(address)
		opts.EthernetHeader = true
		opts.GSOMaxSize = 65536
		opts.PacketDispatchMode = fdbased.RecvMMsg
	}
	return opts
}

func newStack(endpoint stack.LinkEndpoint, address tcpip.Address) *stack.Stack {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	sack, moderate := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: bufferSize, Max: bufferSize}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: bufferSize, Max: bufferSize}
	control := tcpip.CongestionControlOption("reno")
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &moderate, &receive, &send, &control} {
		check("option", s.SetTransportProtocolOption(tcp.ProtocolNumber, option))
	}
	check("NIC", s.CreateNIC(nic, endpoint))
	protocolAddress := tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: address, PrefixLen: 24},
	}
	check("address", s.AddProtocolAddress(nic, protocolAddress, stack.AddressProperties{}))
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}})
	return s
}

func discard(connection net.Conn) {
	io.CopyBuffer(io.Discard, struct{ io.Reader }{connection}, make([]byte, chunk))
}

func chargen(connection net.Conn) {
	zeros := make([]byte, chunk)
	for {
		if _, err := connection.Write(zeros); err != nil {
			return
		}
	}
}

func answer(connection net.Conn) {
	request := make([]byte, 4096)
	for {
		if _, err := connection.Read(request); err != nil {
			return
		}
		connection.Write([]byte(response))
	}
}

func serve(s *stack.Stack, address tcpip.Address, port uint16, service func(net.Conn)) {
	listener, err := gonet.ListenTCP(s, tcpip.FullAddress{NIC: nic, Addr: address, Port: port}, ipv4.ProtocolNumber)
	check("listen", err)
	go func() {
		for {
			connection, err := listener.Accept()
			check("accept", err)
			go func() {
				defer connection.Close()
				service(connection)
			}()
		}
	}()
}

func main() {
	log.SetTarget(log.GoogleEmitter{Writer: &log.Writer{Next: io.Discard}}) // It warns of each client that has gone.
	fd, err := strconv.Atoi(os.Args[1])
	check("FD", err)
	mtu, err := strconv.Atoi(os.Args[2])
	check("MTU", err)
	address := tcpip.Address(net.ParseIP(os.Args[3]).To4())
	mac := ""
	if len(os.Args) > 4 {
		mac = os.Args[4]
	}
	endpoint, err := fdbased.New(options(fd, uint32(mtu), mac))
	check("endpoint", err)
	s := newStack(endpoint, address)
	serve(s, address, discardPort, discard)
	serve(s, address, chargenPort, chargen)
	serve(s, address, answerPort, answer)
	fmt.Println("ready")
	select {}
}
