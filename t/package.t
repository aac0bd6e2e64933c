use v5.36;

# The Debian packages: they build from what is checked in, hold what an
# operator needs, and nginx runs with the module that is in them.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

plan skip_all => 'the gate is built into nginx'
    if ($ENV{CG_MODULE} // 'module') eq '';

my $t   = ConsentGate::Test->new(module => 0);
my $top = $ConsentGate::Test::ROOT;
my $out = $t->dir . '/package';

$ENV{DEB_BUILD_OPTIONS} = 'noautodbgsym';

my $said = qx('$top/gate' package '$out' 2>&1);
is $?, 0, 'they build' or diag $said;

my ($module) = glob "$out/libnginx-mod-http-consent-gate_*.deb";
my ($ctl)    = glob "$out/consentctl_*.deb";
ok $module && $ctl, 'both of them' or BAIL_OUT($said);

like qx(dpkg-deb -f '$module' Depends), qr/\bnginx-abi-/,
    'the module is for the nginx that it was built for';

my $root = $t->dir . '/installed';
is system('dpkg-deb', '-x', $_, $root), 0, "unpacked: $_" for $module, $ctl;

my %want = (
    'the module'     => 'usr/lib/nginx/modules/ngx_http_consent_gate_module.so',
    'its loading'    => 'usr/share/nginx/modules-available/'
        . 'mod-http-consent-gate.conf',
    'the page'       => 'usr/share/consent-gate/pages/policy-update.html',
    'snippets'       => 'usr/share/consent-gate/snippets/consent-page.conf',
    'the licence'    => 'usr/share/doc/consentctl/copyright',
    'the command'    => 'usr/bin/consentctl',
);

ok -s "$root/$want{$_}", "$_: $want{$_}" for sort keys %want;

is slurp("$root/$want{'its loading'}"),
    "load_module modules/ngx_http_consent_gate_module.so;\n", 'by its name';

for my $what (qw(pages snippets)) {
    is_deeply [map { s{.*/}{}r } glob "$root/usr/share/consent-gate/$what/*"],
        [map { s{.*/}{}r } glob "$top/conf/$what/*"], "all of conf/$what";
}

my $doc = "$root/usr/share/doc/libnginx-mod-http-consent-gate";
my $links = 0;

# Links to what is in /usr/share are absolute: here they lead out of $root.
ok -l "$doc/conf", 'conf beside the documents' and unlink "$doc/conf";
symlink "$root/usr/share/consent-gate", "$doc/conf" or die "$doc/conf: $!\n";

for my $file (glob "$doc/*.md $doc/docs/*.md") {
    my ($dir) = $file =~ m{(.*)/};

    for my $path (slurp($file) =~ m{\]\(([^)#:]+)[^):]*\)}g) {
        next if $path =~ /^(?:CHANGES|LICENSE)$/;
        ++$links;
        ok -e "$dir/$path", "$file leads to $path" if !-e "$dir/$path";
    }
}

cmp_ok $links, '>', 50, 'where the documents lead is there';

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->nginx("%%MAIN%%\nload_module $root/$want{'the module'};\n"
    . "events { %%EVENTS%% }\nhttp {\n%%HTTP%%\n" . flow_site() . '}');

is $t->browser('DE')->get('/')->status, 302, 'a German is asked';
is $t->browser('US')->get('/')->body, 'home', 'an American is not';

$t->done;
