// libsystemd as Swift sees it. Its variadic calls (sd_bus_call_method, sd_bus_message_append and the like) are not
// imported; messages are put together by the plain ones (append_basic, open_container), so no shim is needed for them.
// All of these answer with a value >= 0 or with -errno.
#pragma once

#include <errno.h>
#include <systemd/sd-bus.h>

/// The member names of the header's anonymous enumerations differ in type between its versions: fixed here.
static inline int csystemd_is_reply(sd_bus_message *message) {
    uint8_t type = 0;
    int result = sd_bus_message_get_type(message, &type);
    if (result < 0) return result;
    return type == SD_BUS_MESSAGE_METHOD_RETURN || type == SD_BUS_MESSAGE_METHOD_ERROR;
}
