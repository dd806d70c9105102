// Cloudflare compiles the module when the Worker is uploaded; compiling at run time is not allowed there.
import module from "../../generated/imagxp.wasm";

export default module;
