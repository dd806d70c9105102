// Reads the file beside this one, or the same file of the server this one came from.
export default await WebAssembly.compileStreaming(fetch(new URL("../../generated/imagxp.wasm", import.meta.url)));
