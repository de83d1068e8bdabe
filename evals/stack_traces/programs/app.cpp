#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>
using namespace std;
struct Order { vector<int> lines; int *total = nullptr; };
int crash(Order &o) { return *o.total; }
int divide(int a, int b) { return a / b; }
void give_up(const string &text) { throw runtime_error(text); }
int main(int, char **argv) {
  string kind = argv[1], value = argv[2];
  Order o;
  if (kind == "segfault") return crash(o);
  if (kind == "zero") return divide(stoi(value), stoi(value) - stoi(value));
  if (kind == "abort") abort();
  if (kind == "range") return o.lines.at(stoul(value));
  if (kind == "map") return map<string, int>().at(value);
  if (kind == "number") return stoi("x" + value);
  if (kind == "refused") give_up("backend 10.0.0.1:" + value + " refused");
  if (kind == "full") give_up("disk of node " + value + " full");
}
