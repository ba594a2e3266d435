/* Implements link_type.h. Values are those of the registry at www.tcpdump.org/linktypes.html. */
#include "link_type.h"

#include <cstring>

namespace model_t {
namespace {

constexpr uint16_t kEthertypeIpv4 = 0x0800;
constexpr uint16_t kEthertypeIpv6 = 0x86dd;
/* Smaller values of a protocol field are not Ethernet types (802.2, 802.3 raw, netlink families ...). */
constexpr uint16_t kLeastEthertype = 0x0600;

constexpr uint32_t kNullHeader = 4;
constexpr uint32_t kCookedHeader = 16;
constexpr uint32_t kCooked2Header = 20;

uint16_t big16(const uint8_t* from) { return static_cast<uint16_t>(from[0] << 8 | from[1]); }

LinkMapping unchanged(FrameKind kind) { return {kind, 0, 0, {}}; }

LinkMapping with_header(uint16_t ethertype, uint32_t strip, const uint8_t* source) {
  LinkMapping mapping = {FrameKind::ethernet, kEthernetHeader, strip, {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}};
  if (source != nullptr) std::memcpy(mapping.head + 6, source, 6);
  mapping.head[12] = static_cast<uint8_t>(ethertype >> 8);
  mapping.head[13] = static_cast<uint8_t>(ethertype);
  return mapping;
}

/* Raw IP of either version: the packet says which, also where the link type claims one (228, 229). */
LinkMapping map_raw(const uint8_t* packet, uint32_t length) {
  const int version = length == 0 ? 0 : packet[0] >> 4;
  if (version == 4) return with_header(kEthertypeIpv4, 0, nullptr);
  if (version == 6) return with_header(kEthertypeIpv6, 0, nullptr);
  return unchanged(FrameKind::opaque);
}

/* BSD loopback: an address family in the byte order of the machine that captured (NULL) or of the network (LOOP). */
LinkMapping map_loopback(const uint8_t* packet, uint32_t length) {
  if (length < kNullHeader) return unchanged(FrameKind::opaque);
  /* Families are small, so the half that is zero tells the byte order. */
  const uint32_t high = big16(packet);
  const uint32_t low = big16(packet + 2);
  const uint32_t family = high == 0 ? low : (low == 0 ? uint32_t{packet[1]} << 8 | packet[0] : 0);
  switch (family) {
    case 2:
      return with_header(kEthertypeIpv4, kNullHeader, nullptr);
    case 10: /* AF_INET6: Linux, then NetBSD/OpenBSD, FreeBSD, Darwin. */
    case 24:
    case 28:
    case 30:
      return with_header(kEthertypeIpv6, kNullHeader, nullptr);
    default:
      return unchanged(FrameKind::opaque);
  }
}

struct CookedLayout {
  uint32_t header;
  uint32_t protocol;
  uint32_t address_length; /* One byte in version 2; the low byte of two in version 1, whose high byte is zero. */
  uint32_t address;
};
constexpr CookedLayout kCooked = {kCookedHeader, 14, 5, 6};
constexpr CookedLayout kCooked2 = {kCooked2Header, 0, 11, 12};

LinkMapping map_cooked(const CookedLayout& layout, const uint8_t* packet, uint32_t length) {
  if (length < layout.header) return unchanged(FrameKind::opaque);
  const uint16_t protocol = big16(packet + layout.protocol);
  if (protocol < kLeastEthertype) return unchanged(FrameKind::opaque);
  const uint8_t* source = packet[layout.address_length] == 6 ? packet + layout.address : nullptr;
  return with_header(protocol, layout.header, source);
}

struct LinkName {
  uint32_t value;
  const char* name;
};
constexpr LinkName kNames[] = {
    {0, "NULL"}, {1, "EN10MB"}, {3, "AX25"}, {6, "IEEE802_5"}, {7, "ARCNET_BSD"}, {8, "SLIP"}, {9, "PPP"}, {10, "FDDI"},
    {12, "RAW"}, {14, "RAW"}, {50, "PPP_HDLC"}, {51, "PPP_ETHER"}, {100, "ATM_RFC1483"}, {101, "RAW"}, {104, "C_HDLC"},
    {105, "IEEE802_11"}, {107, "FRELAY"}, {108, "LOOP"}, {113, "LINUX_SLL"}, {114, "LTALK"}, {117, "PFLOG"},
    {119, "IEEE802_11_PRISM"}, {122, "IP_OVER_FC"}, {123, "SUNATM"}, {127, "IEEE802_11_RADIO"}, {129, "ARCNET_LINUX"},
    {138, "APPLE_IP_OVER_IEEE1394"}, {140, "MTP2"}, {141, "MTP3"}, {142, "SCCP"}, {143, "DOCSIS"}, {144, "LINUX_IRDA"},
    {147, "USER0"}, {148, "USER1"}, {149, "USER2"}, {150, "USER3"}, {151, "USER4"}, {152, "USER5"}, {153, "USER6"},
    {154, "USER7"}, {155, "USER8"}, {156, "USER9"}, {157, "USER10"}, {158, "USER11"}, {159, "USER12"}, {160, "USER13"},
    {161, "USER14"}, {162, "USER15"}, {163, "IEEE802_11_AVS"}, {165, "BACNET_MS_TP"}, {166, "PPP_PPPD"}, {169, "GPRS_LLC"},
    {177, "LINUX_LAPD"}, {187, "BLUETOOTH_HCI_H4"}, {189, "USB_LINUX"}, {192, "PPI"}, {195, "IEEE802_15_4_WITHFCS"},
    {196, "SITA"}, {197, "ERF"}, {201, "BLUETOOTH_HCI_H4_WITH_PHDR"}, {202, "AX25_KISS"}, {203, "LAPD"},
    {204, "PPP_WITH_DIR"}, {205, "C_HDLC_WITH_DIR"}, {206, "FRELAY_WITH_DIR"}, {209, "IPMB_LINUX"},
    {215, "IEEE802_15_4_NONASK_PHY"}, {220, "USB_LINUX_MMAPPED"}, {224, "FC_2"}, {225, "FC_2_WITH_FRAME_DELIMS"},
    {226, "IPNET"}, {227, "CAN_SOCKETCAN"}, {228, "IPV4"}, {229, "IPV6"}, {230, "IEEE802_15_4_NOFCS"}, {231, "DBUS"},
    {235, "DVB_CI"}, {236, "MUX27010"}, {237, "STANAG_5066_D_PDU"}, {239, "NFLOG"}, {240, "NETANALYZER"},
    {241, "NETANALYZER_TRANSPARENT"}, {242, "IPOIB"}, {243, "MPEG_2_TS"}, {244, "NG40"}, {245, "NFC_LLCP"},
    {247, "INFINIBAND"}, {248, "SCTP"}, {249, "USBPCAP"}, {250, "RTAC_SERIAL"}, {251, "BLUETOOTH_LE_LL"}, {253, "NETLINK"},
    {254, "BLUETOOTH_LINUX_MONITOR"}, {255, "BLUETOOTH_BREDR_BB"}, {256, "BLUETOOTH_LE_LL_WITH_PHDR"}, {257, "PROFIBUS_DL"},
    {258, "PKTAP"}, {259, "EPON"}, {260, "IPMI_HPM_2"}, {261, "ZWAVE_R1_R2"}, {262, "ZWAVE_R3"}, {263, "WATTSTOPPER_DLM"},
    {264, "ISO_14443"}, {265, "RDS"}, {266, "USB_DARWIN"}, {268, "SDLC"}, {270, "LORATAP"}, {271, "VSOCK"},
    {272, "NORDIC_BLE"}, {273, "DOCSIS31_XRA31"}, {274, "ETHERNET_MPACKET"}, {275, "DISPLAYPORT_AUX"}, {276, "LINUX_SLL2"},
    {278, "OPENVIZSLA"}, {279, "EBHSCR"}, {280, "VPP_DISPATCH"}, {281, "DSA_TAG_BRCM"}, {282, "DSA_TAG_BRCM_PREPEND"},
    {283, "IEEE802_15_4_TAP"}, {284, "DSA_TAG_DSA"}, {285, "DSA_TAG_EDSA"}, {286, "ELEE"}, {287, "Z_WAVE_SERIAL"},
    {288, "USB_2_0"}, {289, "ATSC_ALP"}, {290, "ETW"}, {292, "ZBOSS_NCP"},
};

}  // namespace

LinkMapping map_link(uint32_t link_type, const uint8_t* packet, uint32_t length) {
  switch (link_type) {
    case kLinkEthernet:
      return unchanged(FrameKind::ethernet);
    case 0:
    case 108:
      return map_loopback(packet, length);
    case 12: /* DLT_RAW as BSD, OpenBSD and the registry number it. */
    case 14:
    case 101:
    case 228:
    case 229:
      return map_raw(packet, length);
    case 113:
      return map_cooked(kCooked, packet, length);
    case 276:
      return map_cooked(kCooked2, packet, length);
    default:
      return unchanged(FrameKind::opaque);
  }
}

const char* link_type_name(uint32_t link_type) {
  for (const LinkName& entry : kNames) {
    if (entry.value == link_type) return entry.name;
  }
  return "unknown";
}

}  // namespace model_t
