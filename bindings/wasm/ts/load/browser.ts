// The URL is resolved by the bundler, or is beside this file.
export default await WebAssembly.compileStreaming(fetch(new URL("../../generated/imagxp.wasm", import.meta.url)));
