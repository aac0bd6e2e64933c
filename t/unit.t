use v5.36;

# The programs under t/unit, which test src/core and src/geo with cmocka and
# the sanitizers: each one a subtest, each of its tests a test.

use lib 't/lib';
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

my $root  = abs_path(dirname(__FILE__) . '/..');
my $build = $ENV{CG_BUILD} // "$root/build";
my @units = sort map { m{/(test_\w+)\.c$} } glob "$root/t/unit/test_*.c";

my $made = `make -s -j2 -C '$root' BUILD='$build' unit-programs 2>&1`;
is $?, 0, 'the programs are made' or diag($made);

$ENV{CMOCKA_MESSAGE_OUTPUT} = 'TAP';

for my $unit (@units) {
    my $output = `cd '$root' && '$build/unit/$unit' 2>&1`;
    my $status = $?;

    subtest $unit => sub {
        for my $line (split /\n/, $output) {
            ok !$1, $2 if $line =~ /^(not )?ok \d+ - (.*)/;
        }

        is $status, 0, 'ends well' or diag($output);
    };
}

done_testing;
