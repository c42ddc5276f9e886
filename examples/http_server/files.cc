#include <absl/strings/str_format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "examples/http_server/http.h"
#include "examples/support/open_beneath.h"
#include "examples/support/text.h"

namespace example {
namespace {

int status_of_errno(int error) noexcept {
  if (error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG || error == ENXIO) return 404;
  if (error == EACCES || error == EXDEV || error == ELOOP) return 403;
  return error == EMFILE || error == ENFILE ? 503 : 500;
}

std::string_view type_of(std::string_view path) noexcept {
  for (const auto& [ending, type] : {std::pair(".html", "text/html; charset=utf-8"),
                                     {".txt", "text/plain; charset=utf-8"},
                                     {".js", "text/javascript"},
                                     {".png", "image/png"}}) {
    if (path.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

bool same_version(const struct stat& a, const struct stat& b) noexcept {
  return a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

void describe(const struct stat& state, std::string_view target, StaticFile& file) {
  file.state = state;
  file.etag = absl::StrFormat("\"%x-%x-%x.%x\"", state.st_ino, state.st_size, state.st_mtim.tv_sec,
                              state.st_mtim.tv_nsec);
  file.modified = http_date(state.st_mtim.tv_sec);
  const std::string type(type_of(target.ends_with('/') ? ".html" : target));
  file.fields = "Accept-Ranges: bytes\r\nETag: " + file.etag +
                "\r\nLast-Modified: " + file.modified + "\r\nContent-Type: " + type + "\r\n";
}

}  // namespace

bool decode_target(std::string_view target, std::string& path) {
  path.clear();
  while (!target.empty()) {
    const size_t slash = std::min(target.find('/'), target.size());
    std::string part;
    for (size_t i = 0; i < slash; ++i) {
      uint64_t code = static_cast<unsigned char>(target[i]);
      if (target[i] == '%') {
        if (slash - i < 3 || !parse_number(target.substr(i + 1, 2), code, 16)) return false;
        i += 2;
      }
      if (code == 0 || code == '/') return false;
      part.push_back(static_cast<char>(code));
    }
    if (part == "..") return false;
    const bool last = slash == target.size();
    if (!part.empty() && part != ".") path.append(part).append(last ? "" : "/");
    target.remove_prefix(last ? slash : slash + 1);
  }
  if (path.empty() || path.back() == '/') path.append("index.html");
  return true;
}

int FileCache::find(std::string_view target, time_t now, const StaticFile** found) {
  auto place = files_.find(absl::string_view(target.data(), target.size()));
  if (place == files_.end() || now != place->second.opened) {
    std::string path;
    if (!decode_target(target, path)) return 400;
    const int fd = open_beneath(root_->fd(), path);
    if (fd < 0) {
      if (place != files_.end()) files_.erase(place);
      return status_of_errno(-fd);
    }
    auto file = std::make_shared<const bight::File>(fd);
    if (place == files_.end()) {
      if (files_.size() == kMostFiles) files_.clear();
      place = files_.try_emplace(std::string(target)).first;
    }
    place->second.file = std::move(file);
    place->second.opened = now;
  }
  StaticFile& file = place->second;
  struct stat state;
  if (::fstat(file.file->fd(), &state) != 0 || !S_ISREG(state.st_mode)) {
    files_.erase(place);
    return 404;
  }
  if (file.etag.empty() || !same_version(state, file.state)) describe(state, target, file);
  *found = &file;
  return kComplete;
}

int parse_range(std::string_view value, uint64_t size, ByteRange& range) noexcept {
  if (value.size() < 6 || !same_word(value.substr(0, 6), "bytes=")) return 200;
  const std::string_view asked = value.substr(6);
  const size_t dash = std::min(asked.find('-'), asked.size());
  const std::string_view from = asked.substr(0, dash);
  const std::string_view to = asked.substr(std::min(dash + 1, asked.size()));
  uint64_t first = 0;
  uint64_t last = UINT64_MAX;
  if (dash == asked.size() || asked == "-" || (!to.empty() && !parse_number(to, last))) return 200;
  if (from.empty()) {  // the last so many bytes
    first = last == 0 ? size : size - std::min(last, size);
    last = UINT64_MAX;
  } else if (!parse_number(from, first) || last < first) {
    return 200;
  }
  if (first >= size) return 416;
  range = {first, std::min(last, size - 1) - first + 1};
  return 206;
}

bool names_etag(std::string_view list, std::string_view etag) noexcept {
  for (std::string_view item; next_item(list, item);) {
    if (item.starts_with("W/")) item.remove_prefix(2);
    if (item == etag || item == "*") return true;
  }
  return false;
}

std::string http_date(time_t seconds) {
  struct tm parts {};
  ::gmtime_r(&seconds, &parts);
  char text[64];  // in English, as nobody sets a locale here
  return {text, std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

}  // namespace example
