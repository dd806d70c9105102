// Makes the instance, once: whoever imports anything of the module imports this first. Bundlers must keep it, so the package does not claim to be
// free of side effects.

import module from "#load";
import { __wbg_reset_state, initSync } from "../generated/imagxp.js";
import { replaceWith } from "./instance.js";

initSync({ module });
replaceWith(__wbg_reset_state);
