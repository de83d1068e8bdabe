lassign $argv kind value
proc pay {script} { if {[catch {uplevel 1 $script} why options]} { error "payment of order $::value failed: $why" [dict get $options -errorinfo] } }
proc total {x} { return [expr {$x / 0}] }
switch $kind {
  refused { pay {socket 127.0.0.1 1} }
  missing { pay {open /srv/none/$value} }
  zero { total $value }
  variable { puts $nowhere }
  command { total_of $value }
  arguments { total }
}
