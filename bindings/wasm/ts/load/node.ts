import { readFileSync } from "node:fs";

export default new WebAssembly.Module(readFileSync(new URL("../../generated/imagxp.wasm", import.meta.url)));
