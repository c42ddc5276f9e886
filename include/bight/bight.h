// Everything in bight's core. (bight/io/, bight/interop/ and bight/testing/ are included one by
// one.)
#ifndef BIGHT_BIGHT_H_
#define BIGHT_BIGHT_H_

#include "bight/byte_view.h"
#include "bight/byte_writer.h"
#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/config.h"
#include "bight/copy_audit.h"
#include "bight/cursor.h"
#include "bight/dump.h"
#include "bight/endian.h"
#include "bight/hash.h"
#include "bight/memory.h"
#include "bight/read_result.h"
#include "bight/varint.h"
#include "bight/write_window.h"

#endif  // BIGHT_BIGHT_H_
