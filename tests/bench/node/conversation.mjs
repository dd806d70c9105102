// A worker's half of the conversation with run.py: `NAME COUNT` comes in, the nanoseconds of one operation go out.

import { createInterface } from "node:readline";

/** Rows take a count, and give nanoseconds of processor time for all. */
export async function serve(rows) {
  console.log(Object.keys(rows).join(" "));
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, count] = line.split(" ");
    console.log(((await rows[name](Number(count))) / Number(count)).toFixed(1));
  }
}

/** The processor time of the process, its collector and its other threads included. */
export async function timed(act) {
  const begin = process.cpuUsage();
  await act();
  const { user, system } = process.cpuUsage(begin);
  return (user + system) * 1000;
}
