/** Fifty filter expressions: link, network and transport headers, addresses, arithmetic, lengths. Only tests may import this. */
export const EXPRESSIONS: readonly string[] = [
  ...['ip', 'ip6', 'arp', 'tcp', 'udp', 'icmp', 'icmp6', 'vlan', 'not ip', 'not (tcp or udp)'],
  ...['udp port 50000', 'tcp src port 40000', 'port 40000', 'tcp portrange 1-50000', 'src port 50000', 'dst port 50000'],
  ...['host 10.0.0.3', 'net 10.0.0.0/8', 'src net 10.0.0.0/16', 'dst host 10.0.0.7', 'ip6 net fd00::/8', 'ip6 host fd00::3'],
  ...['ether broadcast', 'ether multicast', 'ether host 02:00:00:00:00:03', 'ether proto 0x88cc', 'ip proto 47', 'ip6 proto 17'],
  ...[
    'less 60',
    'greater 100',
    'len > 90',
    'len - 14 < 64',
    'len & 1 = 1',
    'ip[0] & 0xf = 5',
    'ip[8] > 63',
    'ip[6:2] & 0x1fff = 0',
  ],
  ...['ip[2:2] > 60', 'tcp[13] & 2 != 0', 'udp[4:2] > 8', 'udp[6:2] = 0', 'ip6[6] = 44', 'ip6[4:2] > 30', 'ether[12:2] = 0x0800'],
  ...['ether[0] & 1 = 1', 'vlan 7', 'vlan and ip', 'vlan and vlan and udp', 'ip[9] / 2 = 8', 'ip[8] * 2 > 100 and udp'],
  ...['(ip or ip6) and not (tcp or icmp) and greater 50'],
];
