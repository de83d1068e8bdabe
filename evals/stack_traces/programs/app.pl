use strict; use warnings; use Carp qw(confess);
my ($kind, $value) = @ARGV;
sub pay { my ($f) = @_; eval { $f->(); 1 } or confess "payment of order $value failed: $@" }
sub read_it { open(my $f, '<', "/srv/none/$value") or die "cannot read order $value: $!" }
sub list_it { opendir(my $f, "/etc/passwd") or die "cannot read order $value: $!" }
my %kinds = (
  missing => sub { pay(\&read_it) }, not_directory => sub { pay(\&list_it) },
  zero => sub { my $x = $value / ($value - $value) }, undefined => sub { my $x; use strict 'refs'; @$x = @{ undef() } },
  method => sub { my $x; $x->total }, sub_missing => sub { no strict 'refs'; &{"total_of"}($value) },
  module => sub { require Shop::Missing }, plain => sub { confess "quota of tenant $value is used up" },
);
$kinds{$kind}->();
