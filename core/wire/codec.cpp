#include "core/wire/codec.h"

namespace harrow::wire::codec {

tl::unexpected<Error> malformed() { return error(Code::malformed_input, "a message is cut short or contradicts itself"); }
tl::unexpected<Error> version_out_of_range() { return error(Code::unsupported_version, "no such version of this message"); }

}  // namespace harrow::wire::codec
