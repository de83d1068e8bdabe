set -euo pipefail
kind=$1 value=$2
pay() { "$@" || { echo "app.sh: payment of order $value failed" >&2; exit 3; }; }
case $kind in
  missing) pay cat "/srv/none/$value" ;;
  command) total_of "$value" ;;
  variable) echo "$nowhere" ;;
  arithmetic) echo $((value / 0)) ;;
  full) echo "$value" > /dev/full ;;
  directory) echo "$value" > / ;;
esac
