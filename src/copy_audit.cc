#include "bight/copy_audit.h"

#include "thread_state.h"

BIGHT_NAMESPACE_BEGIN

CopyCounts CopyAudit::thread_totals() noexcept { return internal::thread_counts(); }
CopyCounts CopyAudit::process_totals() noexcept { return internal::all_threads_counts(); }

BIGHT_NAMESPACE_END
