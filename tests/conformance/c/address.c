#include "runner.h"

json_t *op_address(const json_t *item) {
    return json_pack("{s:b}", "allowed", imagxp_address_allowed(slice(item, "ip")));
}
