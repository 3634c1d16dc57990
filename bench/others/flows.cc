// One bulk flow over one cable, and a hundred over a dumbbell of three hops, on ns-3: the networks of bench/simulation.py.
//
//     flows bulk|dumbbell SEGMENTS FLOWS        prints data segments per second of wall time
#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>

#include <ns3/applications-module.h>
#include <ns3/core-module.h>
#include <ns3/internet-module.h>
#include <ns3/network-module.h>
#include <ns3/point-to-point-module.h>
#include <ns3/traffic-control-module.h>

using namespace ns3;

namespace {

constexpr uint32_t kMss = 1448;
constexpr uint16_t kPort = 8080;
constexpr uint32_t kBuffer = 262144;  // What 100 Mbit/s and 20 ms hold; larger ones slow ns-3 down.

NetDeviceContainer Link(Ptr<Node> left, Ptr<Node> right, const std::string& rate, const std::string& delay,
                        const std::string& queue) {
  PointToPointHelper cable;
  cable.SetDeviceAttribute("DataRate", StringValue(rate));
  cable.SetChannelAttribute("Delay", StringValue(delay));
  cable.SetQueue("ns3::DropTailQueue", "MaxSize", StringValue(queue));
  return cable.Install(left, right);
}

Ipv4InterfaceContainer Number(const NetDeviceContainer& devices, const char* network) {
  // No queueing discipline above the device: its own queue is the only one, as on the cables that it is compared with.
  Ipv4AddressHelper addresses(network, "255.255.255.0");
  Ipv4InterfaceContainer interfaces = addresses.Assign(devices);
  TrafficControlHelper().Uninstall(devices);
  return interfaces;
}

Ipv4Address OneCable(const NodeContainer& nodes) {
  auto devices = Link(nodes.Get(0), nodes.Get(1), "100Mbps", "10ms", "1000p");
  return Number(devices, "192.0.2.0").GetAddress(1);
}

Ipv4Address Dumbbell(const NodeContainer& nodes) {
  auto left = Link(nodes.Get(0), nodes.Get(2), "1Gbps", "1ms", "1000p");
  auto middle = Link(nodes.Get(2), nodes.Get(3), "100Mbps", "10ms", "500p");
  auto right = Link(nodes.Get(3), nodes.Get(1), "1Gbps", "1ms", "1000p");
  Number(left, "192.0.2.0");
  Number(middle, "198.51.100.0");
  return Number(right, "203.0.113.0").GetAddress(1);
}

void Configure() {
  Config::SetDefault("ns3::TcpL4Protocol::SocketType", StringValue("ns3::TcpNewReno"));
  Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(kMss));
  Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(kBuffer));
  Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(kBuffer));
  Config::SetDefault("ns3::TcpSocket::InitialCwnd", UintegerValue(10));
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  const bool dumbbell = std::string(arguments[1]) == "dumbbell";
  const uint64_t segments = std::stoull(arguments[2]);
  const uint32_t flows = std::stoul(arguments[3]);
  const uint64_t octets = segments * kMss / flows;
  const auto started = std::chrono::steady_clock::now();
  Configure();
  NodeContainer nodes;
  nodes.Create(dumbbell ? 4 : 2);
  InternetStackHelper().Install(nodes);
  const Ipv4Address server = dumbbell ? Dumbbell(nodes) : OneCable(nodes);
  Ipv4GlobalRoutingHelper::PopulateRoutingTables();
  PacketSinkHelper sinks("ns3::TcpSocketFactory", InetSocketAddress(Ipv4Address::GetAny(), kPort));
  ApplicationContainer sink = sinks.Install(nodes.Get(1));
  BulkSendHelper sources("ns3::TcpSocketFactory", InetSocketAddress(server, kPort));
  sources.SetAttribute("MaxBytes", UintegerValue(octets));
  for (uint32_t flow = 0; flow < flows; flow++) sources.Install(nodes.Get(0));
  Simulator::Stop(Seconds(600));
  Simulator::Run();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
  const uint64_t received = DynamicCast<PacketSink>(sink.Get(0))->GetTotalRx();
  Simulator::Destroy();
  if (received != octets * flows) {
    std::cerr << "only " << received << " octets of " << octets * flows << " have arrived\n";
    return 1;
  }
  std::cout << received / kMss / taken.count() << '\n';
  return 0;
}
