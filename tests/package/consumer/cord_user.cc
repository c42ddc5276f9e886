#include <bight/interop/cord.h>

#include <string>

int main() {
  const bight::Chain chain(bight::Bytes::from_owner(std::string(1000, 'x')));
  return bight::to_chain(bight::to_cord(chain)) == chain ? 0 : 1;
}
