import { expect, test } from "bun:test";
import { parse } from "./wrk.ts";

const OUTPUT = `Running 5s test @ http://127.0.0.1:3001/
  2 threads and 128 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms  310.00us  10.02ms   90.10%
    Req/Sec    62.10k     2.20k   66.00k    70.00%
  Latency Distribution
     50%  812.00us
     75%    1.10ms
     90%    1.30ms
     99%    2.05ms
  617000 requests in 5.00s, 90.00MB read
Requests/sec: 123400.50
Transfer/sec:     18.00MB
`;

test("rate, requests and latencies are read in microseconds", () => {
  expect(parse(OUTPUT)).toEqual({
    requests: 617_000,
    rate: 123_400.5,
    p50Us: 812,
    p99Us: 2_050,
    errors: 0,
  });
});

test("failed answers and broken connections count", () => {
  const failed = `${OUTPUT}  Socket errors: connect 0, read 2, write 0, timeout 1
  Non-2xx or 3xx responses: 7\n`;
  expect(parse(failed).errors).toBe(10);
});
