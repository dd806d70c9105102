// Vercel's edge runtime compiles what is imported with `?module`; compiling at run time is not allowed there.
import module from "../../generated/imagxp.wasm?module";

export default module;
