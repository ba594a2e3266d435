/** Every operation there is, in the order of a usual pipeline. An explicit list: a new operation is added here. Pure. */
import { bpf } from './ops/bpf.js';
import { burn } from './ops/burn.js';
import { checksumVerify } from './ops/checksum-verify.js';
import { count } from './ops/count.js';
import { decrementTtl } from './ops/decrement-ttl.js';
import { defrag } from './ops/defrag.js';
import { drop } from './ops/drop.js';
import { eth } from './ops/eth.js';
import { flow } from './ops/flow.js';
import { gunzip } from './ops/gunzip.js';
import { http } from './ops/http.js';
import { icmp } from './ops/icmp.js';
import { ip4 } from './ops/ip4.js';
import { ip6 } from './ops/ip6.js';
import { match } from './ops/match.js';
import { nothing } from './ops/null.js';
import type { Operation } from './ops/operation.js';
import { order } from './ops/order.js';
import { port } from './ops/port.js';
import { sample } from './ops/sample.js';
import { sink } from './ops/sink.js';
import { skeleton } from './ops/skeleton.js';
import { tcp } from './ops/tcp.js';
import { udp } from './ops/udp.js';
import { vlan } from './ops/vlan.js';

export const OPERATIONS: readonly Operation[] = [
  ...[eth, vlan, bpf, ip4, ip6, defrag, tcp, udp, icmp, port],
  ...[checksumVerify, decrementTtl, flow, order, http, gunzip, match],
  ...[count, sample, drop, sink, nothing, burn, skeleton],
];

/** With the second bodies, which have no name in pipelines: everything that the native side must know. */
export const BODIES: readonly Operation[] = OPERATIONS.flatMap((operation) =>
  operation.alternative ? [operation, operation.alternative.operation] : [operation],
);

export function findOperation(name: string): Operation | undefined {
  return OPERATIONS.find((operation) => operation.name === name);
}
