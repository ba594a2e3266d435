/** What `model-t trace info` says about loaded captures, as lines and as JSON. Pure. */
import type { SourceInfo, TraceInfo } from '../replay/index.js';
import { binary, counted, grouped, oneLine, rates, reasons, sum } from './format.js';
import { traceWarnings } from './summary.js';

/** Additive changes raise the second number, others the first. */
const SCHEMA_VERSION = '1.0';

export function traceJson(info: TraceInfo): Record<string, unknown> {
  const seconds = durationSeconds(info);
  return {
    schema: 'model-t/trace-info',
    schemaVersion: SCHEMA_VERSION,
    ...info,
    // Nanoseconds since 1970 do not fit a JSON number.
    firstTimeNs: info.firstTimeNs?.toString() ?? null,
    lastTimeNs: info.lastTimeNs?.toString() ?? null,
    durationSeconds: seconds,
    mean: info.packets > 0 ? info.bytes / info.packets : null,
    packetsPerSecond: seconds ? info.packets / seconds : null,
    bitsPerSecond: seconds ? (8 * info.bytes) / seconds : null,
  };
}

export function traceLines(info: TraceInfo): string[] {
  return [
    ...info.sources.flatMap(sourceLines),
    ...totalLines(info),
    ...traceWarnings(info).map((warning) => `warning: ${warning}`),
  ];
}

function durationSeconds(info: TraceInfo): number | null {
  return info.firstTimeNs === null || info.lastTimeNs === null ? null : Number(info.lastTimeNs - info.firstTimeNs) / 1e9;
}

function sourceLines(source: SourceInfo): string[] {
  const links = source.linkTypes.map((link) => `${link.name} (${link.value}) ${grouped(link.packets)}`).join(', ');
  return [
    `${oneLine(source.path)}: ${source.format}, ${counted(source.packets, 'packet')}, ${grouped(source.bytes)} bytes`,
    ...(links ? [`  link types: ${links}`] : []),
    ...(sum(source.skipped) > 0 ? [`  not replayed: ${reasons(source.skipped)}`] : []),
  ];
}

function totalLines(info: TraceInfo): string[] {
  const seconds = durationSeconds(info);
  const total = `total: ${counted(info.packets, 'packet')}, ${grouped(info.bytes)} bytes captured, ${binary(info.slotBytes)} of slots`;
  if (info.packets === 0) return [total];
  return [
    total,
    `sizes: ${info.smallest} to ${info.largest} bytes, mean ${(info.bytes / info.packets).toFixed(1)}`,
    ...(info.firstTimeNs === null || info.lastTimeNs === null
      ? []
      : [`time: ${isoTime(info.firstTimeNs)} to ${isoTime(info.lastTimeNs)}`]),
    ...(seconds === null ? [] : [`duration: ${seconds.toFixed(9)} s`]),
    ...(seconds ? [`average rate: ${rates(info.packets, info.bytes, seconds)}`] : []),
    ...(info.headerGiven > 0 ? [`given an Ethernet header: ${counted(info.headerGiven, 'packet')}`] : []),
  ];
}

/** With nanoseconds; times that no calendar has (a hostile file can say anything) stay numbers. */
function isoTime(ns: bigint): string {
  const date = new Date(Number(ns / 1_000_000n));
  if (Number.isNaN(date.getTime())) return `${ns} ns since 1970`;
  const fraction = (((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n).toString().padStart(9, '0');
  return date.toISOString().replace(/\.\d{3}Z$/, `.${fraction}Z`);
}
