use v5.36;

# What is made: it keeps its symbols to itself, and is made once.

use lib 't/lib';
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

my $root  = abs_path(dirname(__FILE__) . '/..');
my $build = $ENV{CG_BUILD} // "$root/build";
my $so    = $ENV{CG_MODULE} // "$build/ngx_http_consent_gate_module.so";

plan skip_all => 'the gate is built into nginx' if $so eq '';

subtest 'the module exports what nginx asks for and no more' => sub {
    my @exported = sort map { (split)[-1] }
        split /\n/, `nm -D --defined-only '$so'`;

    is_deeply \@exported, [qw(ngx_http_consent_gate_module ngx_module_names
        ngx_module_order ngx_modules)];
};

subtest 'the module has hiredis inside' => sub {
    my $needed = `readelf -d '$so'`;

    unlike $needed, qr/NEEDED.*hiredis/, 'it needs no shared library';
    unlike `nm -D --undefined-only '$so'`, qr/\bredis/,
        'it takes no function from another module';
};

subtest 'what is made is not made again' => sub {
    my $make = "make -C '$root' BUILD='$build' --no-print-directory 2>&1";

    `$make`;
    like `$make`, qr/^make: Nothing to be done for 'all'\.$/, 'a second make';
    like `$make -n --what-if=src/core/cg_str.h`, qr/\bmodules$/m,
        'a header that changed';
};

done_testing;
