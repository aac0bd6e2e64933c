use v5.36;

# Every mistake fails nginx -t with one line that names directive and value.

use lib 't/lib';
use Test::More;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->write_file('password', "secret\n", 0600);
$t->write_file('empty', '', 0600);
$t->write_file('long', 'x' x 2000, 0600);

for (['other.key'], ['locked.key', '-aes128', '-pass', 'pass:secret']) {
    my ($name, @options) = @$_;

    system('openssl', 'genpkey', '-algorithm', 'EC', '-pkeyopt',
        'ec_paramgen_curve:P-256', '-out', $t->dir . "/$name", @options) == 0
        or die "openssl: $?\n";
}
mkdir $t->dir . '/directory';

# What a configuration is made of. A case replaces a part, or adds some.
my %BASE = (
    store     => 'consent_store { server %%REDIS%%; }',
    keys      => 'consent_key_file %%KEYS%%;',
    geo       => 'consent_geoip %%GEO%%;',
    documents => 'consent_document terms kind=accept version=1;',
    page      => 'consent_page /policy-update;',
    gate      => 'consent_gate on;',
    http      => '',
    server    => '',
    location  => '',
    more      => '',
);


sub config (%parts) {
    my %c = (%BASE, %parts);

    return <<"END";
    $c{store}
    $c{keys}
    $c{geo}
    $c{documents}
    $c{page}
    $c{gate}
    $c{http}
    server {
        listen 127.0.0.1:%%PORT%%;
        $c{server}
        location / { $c{location} }
        $c{more}
    }
END
}


sub emerg_lines (%parts) {
    my $r = $t->nginx_t(config(%parts));

    return 'accepted' if $r->{output} =~ /test is successful$/m;
    return grep { /\[emerg\]/ } split /\n/, $r->{output};
}


my %tried;                              # directives

# It is refused with one line, which has all of these.
sub refused ($what, $parts, @words) {
    my @lines = emerg_lines(%$parts);

    $tried{$_} = 1 for join(' ', @words) =~ /\b(consent_\w+)/g;

    subtest $what => sub {
        is @lines, 1, 'one line' or diag join "\n", @lines;
        like $lines[0], ref $_ ? $_ : qr/\Q$_\E/, "has $_" for @words;
    };
    return;
}


# A directive with a value that is wrong, where it may stand.
sub wrong ($where, $directive, @values) {
    for my $value (@values) {
        my ($named) = $value =~ /^(?:'|")?(.*?)(?:'|")?$/;

        refused("$directive $value", { $where => "$directive $value;" },
            $directive, qq{"$named"});
    }
    return;
}


sub twice ($where, $line, %parts) {
    my ($directive) = $line =~ /^(\w+)/;

    refused("twice: $line", { %parts, $where => "$line $line" },
        qq{"$directive" directive is duplicate});
    return;
}


is emerg_lines(), 'accepted', 'the base is right' or diag emerg_lines();


# What a gate that is on needs.

for my $case ([store => 'consent_store'], [keys => 'consent_key_file']) {
    my ($part, $directive) = @$case;

    refused("a page without $directive", { $part => '' }, qq{"$directive"},
        '"consent_page"');
    refused("a gate without $directive", { $part => '', page => '' },
        qq{"$directive"}, '"consent_gate"');
    refused("an API without $directive", { $part => '', page => '',
        gate => '', more => 'location /c/ { consent_api; }' },
        qq{"$directive"}, '"consent_api"');
}

refused('no consent_document', { documents => '' }, '"consent_document"',
    '"consent_gate"');
refused('no consent_page', { page => '' }, '"consent_page"',
    '"consent_gate"');
refused('no source of a country', { geo => '' }, '"consent_geoip"',
    '"consent_country"', '"consent_gate"');

for my $mode (qw(report $arg_mode)) {
    refused("$mode without a store", { store => '', page => '',
        gate => "consent_gate $mode;" }, '"consent_store"', '"consent_gate"');
}

is emerg_lines(gate => '', map { $_ => '' } qw(store keys geo documents page)),
    'accepted', 'a gate that is off needs nothing';
is emerg_lines(geo => '', http => 'consent_country $arg_country;'),
    'accepted', 'a variable is a source';
is emerg_lines(geo => '', http => 'consent_territory all;'), 'accepted',
    'the whole world needs no source';


# Words.

wrong(location => 'consent_gate', qw(yes On ON reports true ''));
twice(location => 'consent_gate off;');
wrong(location => 'consent_unknown_country', qw(on GATE ''));
twice(location => 'consent_unknown_country pass;');
wrong(location => 'consent_anonymizer', qw(on off GATE ''));
twice(location => 'consent_anonymizer gate;');
wrong(location => 'consent_remember_eea', qw(on 0 1h 23h 86399s -1d x '' 101y
    4294967296d));
twice(location => 'consent_remember_eea 1d;');
wrong(location => 'consent_on_error', qw(on ignore ''));
twice(location => 'consent_on_error open;');
wrong(location => 'consent_refuse_status', qw(404 200 4030 403.0 abc ''));
twice(location => 'consent_refuse_status 451;');
wrong(location => 'consent_purpose_status', qw(404 200 2040 204.0 abc ''));
twice(location => 'consent_purpose_status 204;');
wrong(location => 'consent_explain', qw(yes 1 ON));
twice(location => 'consent_explain on;');
wrong(location => 'consent_country', qw(Germany XX D));
twice(location => 'consent_country $arg_c;');
wrong(location => 'consent_subject', qw(user remote_user));
twice(location => 'consent_subject $remote_user;');
wrong(location => 'consent_exempt', qw(1 on '' .));
wrong(location => 'consent_override', qw(on yes allow allow= allow=1
    $arg_allow ''));
twice(location => 'consent_override off;');
for my $case (['signed signed', 'signed'], ['signed off', 'off'],
    ['off signed', 'off'], ['signed allow=1', 'allow=1'],
    ['allow=$arg_a allow=$arg_b', 'allow=$arg_b'])
{
    refused("consent_override $case->[0]",
        { location => "consent_override $case->[0];" },
        'consent_override', qq{"$case->[1]"});
}
wrong(http => 'consent_realm', "''", 'x' x 65, "'a\tb'", "'a\xff'");
twice(server => 'consent_realm a;');

is emerg_lines(location => 'consent_subject "";'), 'accepted',
    'an empty subject takes away that of the server';
is emerg_lines(location => 'consent_country DE;'), 'accepted',
    'a country that is always the same';


# Territory.

refused("consent_territory $_->[0]",
    { location => "consent_territory $_->[0];" },
    'consent_territory', qq{"$_->[1]"})
    for ['GB', 'GB'], ['eu', 'eu'], ['EEA', 'EEA'], ['eea GB', 'GB'],
        ['eea +GBR', '+GBR'], ['eea +G', '+G'], ['eea +', '+'],
        ['eea +XX', '+XX'], ['eea +A1', '+A1'], ['eea -T1', '-T1'],
        ['eea +GB,CH', '+GB,CH'], ['+GB eea', 'eea'], ['eea all', 'all'],
        ['all eea', 'eea'], [q{eea ''}, ''], ['eea *GB', '*GB'];


# Names.

wrong(location => 'consent_require', qw(nothing Terms TERMS terms2 ''));
refused('consent_require terms nothing',
    { location => 'consent_require terms nothing;' }, 'consent_require',
    '"nothing"');
wrong(location => 'consent_require_purpose', qw(ads ''));


# Documents and purposes.

sub document ($words, @named) {
    refused("consent_document $words",
        { documents => "consent_document $words;" }, 'consent_document',
        @named);
    return;
}


document('terms version=1', '"terms"', 'kind=');
document('1terms kind=accept', '"1terms"');
document("te-rms kind=accept", '"te-rms"');
document("'' kind=accept", '""');
document('x' x 33 . ' kind=accept', 'x' x 33);
document("terms kind=accept $_", qq{"$_"}) for qw(version version= version=0
    version=x version=-1 version=1.0 version=4294967296 required=0 required=x
    effective=2018-05-25 effective=-1 before=x sha256=ab url=legal
    url=//x.example url=javascript:alert(1) url=ftp://x.example kind=agree
    kind= nonsense nonsense=1 Version=1);
document('terms kind=accept sha256=' . 'g' x 64, 'sha256');
document('terms kind=accept title=' . 'x' x 129, 'title');
document('terms kind=accept url=/' . 'x' x 512, 'url');
document("terms kind=accept 'title=a\tb'", 'title');
document('terms kind=accept version=1 required=2', '"terms"', 'required');
document('terms kind=accept version=2 required=1 before=2', '"terms"',
    'before');
document('terms kind=accept required=1', '"terms"', 'version');
document('terms kind=accept version=1 version=2', '"version=2"');
document('terms kind=accept kind=acknowledge version=1',
    '"kind=acknowledge"');
document('terms kind=accept version=1; consent_document terms kind=accept',
    'duplicate', '"terms"');
document(join(' kind=accept; consent_document ', map { "d$_" } 1 .. 17)
    . ' kind=accept', '"d17"', 'at most 16');

sub purpose ($words, @named) {
    refused("consent_purpose $words",
        { http => "consent_purpose $words;" }, 'consent_purpose', @named);
    return;
}


purpose("1ads", '"1ads"');
purpose("''", '""');
purpose("ads $_", qq{"$_"}) for qw(gpc gpc=allow needed necessary=1 Title=x);
purpose("ads title=" . 'x' x 129, 'title=x');
purpose('ads; consent_purpose ads', 'duplicate', '"ads"');

sub tcf ($words, @named) {
    refused("consent_tcf $words",
        { http => "consent_purpose ads; consent_tcf $words;" }, 'consent_tcf',
        @named);
    return;
}

tcf('ads vendor=1', 'has no "purposes="');
tcf('ads purposes=1 vendor=1 publisher', '"publisher" or "vendor="');
tcf('others purposes=1', 'unknown name "others"');
tcf('ads purposes=1; consent_tcf ads purposes=2', 'duplicate', '"ads"');
tcf("ads $_", qq{invalid value "$_"}) for split / /, 'purposes= purposes=0'
    . ' purposes=25 purposes=1,1 purposes=1, purposes=,1 purposes=1,,2'
    . ' purposes=a purposes=01 vendor=0 vendor=65536 vendor=x vendor='
    . ' Publisher interests=1';
tcf('ads purposes=1 purposes=2', 'invalid value "purposes=2"');
tcf('ads purposes=1 publisher publisher', 'invalid value "publisher"');
purpose(join('; consent_purpose ', map { "p$_" } 1 .. 17), '"p17"',
    'at most 16');


# Pages and cookies.

for my $directive (qw(consent_page consent_age_page consent_choices_page)) {
    wrong(page => $directive, 'policy', '//x.example', 'https://x.example/',
        '/a?b', '/a%2fb', "'/a b'", '/a#b', "''", '/a//b', '$arg_page');

    # So long that the line ends before the name.
    refused("$directive, endless", { page => "$directive /"
        . 'a' x 2048 . ';' }, 'invalid value "/aaa');
    twice(page => "$directive /a;");
}

refused("$_ without a store", { store => '', page => "$_ /x;", gate => '' },
    '"consent_store"', qq{"$_"}) for qw(consent_age_page consent_choices_page);

wrong(server => 'consent_ask_age', qw(yes ON1 1 ''));
twice(server => 'consent_ask_age off;');
refused('consent_ask_age without a page for the young',
    { server => 'consent_ask_age on;' }, '"consent_age_page"',
    '"consent_ask_age"');
wrong(server => 'consent_age', 'DE=16,FR=15', qw(16 DE DE= DE=0 DE=100 DE=x *
    *=0 **=16 A1=16 XX=16 DEU=16 ''));
refused('consent_age DE=16 FR', { server => 'consent_age DE=16 FR;' },
    'consent_age', '"FR"');
is emerg_lines(server => 'consent_age *=16 DE=16 EL=15; consent_age uk=13;'),
    'accepted', 'ages of countries';

wrong(server => 'consent_visitor_cookie', 'a=b', "'a b'", "'a;b'", "''",
    'x' x 65);
refused("consent_visitor_cookie x $_",
    { server => "consent_visitor_cookie x $_;" },
    'consent_visitor_cookie', qq{"$_"})
    for 'domain=a,b', qw(max_age=x max_age=0 max_age= max_age=101y
        max_age=292277024626y domain= domain=a_b
        domain=EXAMPLE.org secure=yes secure= path=/ 30d);
refused('a __Host- cookie with a domain', { server =>
    'consent_visitor_cookie __Host-x domain=example.org;' },
    'consent_visitor_cookie', '"__Host-x"');
refused("$_ that is not secure", { server =>
    "consent_visitor_cookie $_ secure=off;" },
    'consent_visitor_cookie', qq{"$_"}) for qw(__Host-x __Secure-x);
refused('a prefix in any case', { server =>
    'consent_visitor_cookie __hOST-x domain=example.org;' },
    'consent_visitor_cookie', '"__hOST-x"');
twice(server => 'consent_visitor_cookie x;');

# Browsers drop these in silence; but they may go over TLS elsewhere.
for my $case (
    ['__Host-x', '', 1],
    ['__Secure-x domain=example.org', '', 1],
    ['__secure-x', 'location /more/ { consent_gate report; }', 1],
    ['__Host-x', 'listen 127.0.0.1:%%PORT_tls%% ssl; '
        . 'ssl_certificate %%CERT%%; ssl_certificate_key %%CERTKEY%%;', 0],
    ['__Host-x secure=on', '', 0],
    ['default', '', 0],
    ['x', '', 0],
) {
    my ($cookie, $server, $warned) = @$case;
    my $r = $t->nginx_t(config(server =>
        "consent_visitor_cookie $cookie; $server"));
    my @lines = grep { /consent_visitor_cookie/ } split /\n/, $r->{output};

    like $r->{output}, qr/test is successful$/m, "$cookie $server: accepted";
    is scalar(grep { /\[warn\].*"(?i:__(?:Host|Secure)-x)".*secure=on/ }
        @lines), $warned, $warned ? 'with a warning' : 'without a word';
    is @lines, $warned, 'and no other' or diag "@lines";
}
my $r = $t->nginx_t(config(gate => '', server =>
    'consent_visitor_cookie __Host-x; location /consent/ { return 301 /; }'));
unlike $r->{output}, qr/\[warn\].*consent_visitor_cookie/, 'not if it is off';


# Patterns.

for my $directive (qw(consent_exempt_uri consent_exempt_agent)) {
    refused("$directive $_", { location => "$directive '$_';" },
        $directive, qq{"$_"}) for '(', '[a', '*', '~*(', 'a)', '~', '~*', '';
    refused("$directive of several", { location => "$directive ^/a '(b';" },
        $directive, '"(b"');
}


# The store.

sub setting ($text, @named) {
    refused("consent_store: $text",
        { store => "consent_store { server %%REDIS%%; $text; }" },
        'consent_store', @named);
    return;
}


sub setting_values ($name, @values) {
    for my $value (@values) {
        my ($plain) = $value =~ /^'?(.*?)'?$/;
        setting("$name $value", qr/\b\Q$name\E\b/, $plain);
    }
    return;
}


refused('an empty consent_store', { store => 'consent_store { }' },
    'consent_store', '"server"');
refused('consent_store twice', { store => "$BASE{store} $BASE{store}" },
    'consent_store', 'duplicate');
refused('consent_store with a word', { store =>
    'consent_store main { server %%REDIS%%; }' }, 'consent_store');
refused("consent_store: server $_", { store =>
    "consent_store { server $_; }" }, 'consent_store', 'server', $_)
    for '127.0.0.1:99999', '127.0.0.1:x', 'unix:', ':6379';
setting('server 127.0.0.1:6379', 'server', '127.0.0.1:6379');
refused('consent_store: a host that is not known', { store =>
    'consent_store { server no-such-host.invalid; }' }, 'consent_store',
    '"server no-such-host.invalid"', 'host not found');
is emerg_lines(store => 'resolver 127.0.0.1:%%PORT%%;'
    . ' consent_store { server no-such-host.invalid; }'), 'accepted',
    'with a resolver a host is none of the configuration\'s business';
setting('nonsense 1', '"nonsense"');
setting('Timeout 1s', '"Timeout"');
setting('timeout', '"timeout"', 'number of arguments');
setting('timeout 1s 2s', '"timeout"', 'number of arguments');
setting_values('tls', qw(yes ON ''));
setting('tls off; tls on', 'tls', 'duplicate');
setting('tls on', qr/"tls on".*"server unix:/, 'Unix socket');
setting("$_ /x", $_, '/x', '"tls on"')
    for qw(tls_trusted_certificate tls_server_name);
setting("tls on; $_->[0] /x", qr/"$_->[0] \S*x" without "$_->[1]"/)
    for [qw(tls_certificate tls_certificate_key)],
        [qw(tls_certificate_key tls_certificate)];
setting('tls_certificate /x; tls_certificate_key /x',
    qr/"tls_certificate .*" without "tls on"/);
setting_values($_, "''")
    for qw(tls_server_name tls_trusted_certificate tls_certificate
    tls_certificate_key);
setting('tls_server_name a; tls_server_name b', 'tls_server_name',
    'duplicate');
setting('tls_certificate a; tls_certificate b', 'tls_certificate',
    'duplicate');

# With a server that may have it.
sub tls_setting ($text, @named) {
    refused("consent_store: tls on; $text",
        { store => "consent_store { server 127.0.0.1; tls on; $text; }" },
        'consent_store', @named);
    return;
}

tls_setting("tls_trusted_certificate $_->[0]", 'tls_trusted_certificate',
    $_->[0] =~ s{.*/}{}r, 'SSL')
    for ['%%DIR%%/none.pem'], ['%%DIR%%/empty'];
tls_setting("tls_certificate %%CERT%%; tls_certificate_key $_",
    qr/"tls_certificate_key \S+" in "consent_store" cannot be used/)
    for '%%DIR%%/none.key', '%%CERT%%', '%%DIR%%/other.key',
        '%%DIR%%/locked.key';
tls_setting("tls_certificate $_; tls_certificate_key %%CERTKEY%%",
    qr/"tls_certificate \S+" in "consent_store" cannot be used/)
    for '%%DIR%%/none.crt', '%%CERTKEY%%', '%%KEYS%%';

setting_values('topology', qw(ring sentinel Cluster ''));
setting('topology single; topology cluster', 'topology', 'duplicate');
setting('topology cluster c', 'topology', 'cluster', 'no other value');
setting('topology sentinel a b', '"topology"', 'number of arguments');
setting("topology sentinel ''", 'topology', 'needs the name of the master');
setting('topology cluster; database 1', qr/"database 1"/,
    '"topology cluster"');
setting('username a; password_file %%DIR%%/password; sentinel_username s',
    qr/"sentinel_username s" without "sentinel_password_file"/);
setting('sentinel_password_file %%DIR%%/password',
    '"sentinel_password_file"', '"topology sentinel"');
setting("topology sentinel m; sentinel_password_file $_->[0]",
    'sentinel_password_file', $_->[1])
    for ['%%DIR%%/none', '/none'], ['%%DIR%%/empty', 'empty'];
refused('consent_store: a server too many', { store => 'consent_store { '
    . join(' ', map { "server 127.0.0.1:$_;" } 1 .. 33)
    . ' topology cluster; }' }, 'consent_store', '127.0.0.1:33');
setting_values('username', "''", 'x' x 256);
setting('username gate', 'username', 'gate', 'password_file');
setting('username a; username b', 'username', 'duplicate');
setting("password_file $_->[0]", 'password_file', $_->[1])
    for ['%%DIR%%/none', '/none'], ['%%DIR%%/empty', 'empty'],
        ['%%DIR%%/long', 'long'], ['%%DIR%%/directory', 'directory'];
setting('password_file %%DIR%%/password; password_file %%DIR%%/password',
    'password_file', 'duplicate');
setting_values('database', qw(-1 x 65536 1.5 ''));
setting('database 1; database 2', 'database', 'duplicate');
setting_values('prefix', "''", 'x' x 33, "'a b'", "'{a}:'", "'a}'");
setting('prefix a:; prefix b:', 'prefix', 'duplicate');

for my $name (qw(connect_timeout timeout write_timeout)) {
    setting_values($name, qw(0 -1s x 61s 1y ''));
    setting("$name 1s; $name 2s", $name, 'duplicate');
}

setting_values('write_replicas', qw(-1 x 65 1.5 ''));
setting('write_replicas 1; write_replicas 2', 'write_replicas', 'duplicate');
setting("write_replicas 1 $_", 'write_replicas', 'time between')
    for qw(0 -1s x 61s);
setting('write_replicas 0 1s', 'write_replicas', 'takes no time');
setting('write_replicas 1 1s; write_timeout 1s', 'write_replicas',
    'shorter than "write_timeout"');
setting('write_replicas 1 2 3', 'write_replicas', 'number of arguments');

for my $name (qw(retention proof)) {
    setting_values($name, qw(0 -1d x 1s 23h 86399s '' 101y 999999999999d));
    setting("$name 2d; $name 3d", $name, 'duplicate');
}


# Keys.

my ($SUBJECT, $SIGN) = ('0123456789abcdef' x 4, 'fedcba9876543210' x 4);

sub key_file ($what, $mode, $lines, @named) {
    my $path = $t->write_file('other-keys', $lines, $mode);

    refused("keys: $what", { keys => "consent_key_file $path;" },
        'consent_key_file', $path, @named, qr/^(?!.*(?:0123|fedc))/);
    return;
}


refused('keys: a file that is missing',
    { keys => 'consent_key_file %%DIR%%/none;' }, 'consent_key_file',
    '/none', 'No such file');
refused('keys: a directory',
    { keys => 'consent_key_file %%DIR%%/directory;' }, 'consent_key_file',
    '/directory', 'is not a file');
twice(keys => 'consent_key_file %%KEYS%%;');

my $good = "subject $SUBJECT\nsign k1 $SIGN\n";

key_file("mode " . sprintf('%04o', $_), $_, $good, sprintf '%04o', $_)
    for 0644, 0604, 0602, 0666, 0777;
is emerg_lines(keys => 'consent_key_file '
    . $t->write_file('other-keys', $good, 0640) . ';'), 'accepted',
    'keys: mode 0640';

key_file('empty', 0600, '', 'no "subject"');
key_file('without sign', 0600, "subject $SUBJECT\n", 'no "sign"');
key_file('without subject', 0600, "sign k1 $SIGN\n", 'no "subject"');
key_file('another word', 0600, "$good\nsecret $SIGN\n", 'line 4');
key_file('not hexadecimal', 0600, "# keys\nsubject $SUBJECT\nsign k1 "
    . 'xyz' . substr($SIGN, 3) . "\n", 'line 3', 'hexadecimal');
key_file('an odd number of digits', 0600, "subject ${SUBJECT}0\n", 'line 1',
    'odd');
key_file('a short key', 0600, "subject 0123456789abcdef\n", 'line 1',
    'shorter');
key_file('a long key', 0600, 'subject ' . $SUBJECT x 3 . "\n", 'line 1',
    'longer');
key_file('subject twice', 0600, "$good\nsubject $SUBJECT\n", 'line 4',
    'twice');
key_file('a key id twice', 0600, "${good}sign k1 $SIGN\n", 'line 3', 'twice');
key_file('sign without a key id', 0600, "subject $SUBJECT\nsign $SIGN\n",
    'line 2');
key_file('a key id that is none', 0600, "subject $SUBJECT\nsign k.1 $SIGN\n",
    'line 2', 'key id');
key_file('many keys', 0600, "subject $SUBJECT\n"
    . join('', map { "sign k$_ $SIGN\n" } 1 .. 9), 'line 10');
key_file('huge', 0600, $good . "#\n" x 40_000, 'larger');


# The database and the cache.

refused('a database that is missing', { geo =>
    'consent_geoip %%DIR%%/none.mmdb;' }, 'consent_geoip', '/none.mmdb');
refused("a database with $_", { geo => "consent_geoip %%GEO%% $_;" },
    'consent_geoip', qq{"$_"})
    for qw(reload reload= reload=x reload=0 reload=10ms every=1m 1m);
twice(geo => 'consent_geoip %%GEO%%;');

my $anonymizers = $t->mmdb({ '10.0.0.0/8' => { is_tor_exit_node => 1 } });

is emerg_lines(http => "consent_anonymizer_db $anonymizers reload=5m;"),
    'accepted', 'a database of anonymizers';
refused('one that is missing', { http =>
    'consent_anonymizer_db %%DIR%%/none.mmdb;' }, 'consent_anonymizer_db',
    '/none.mmdb');
refused('one of countries', { http => 'consent_anonymizer_db %%GEO%%;' },
    'consent_anonymizer_db', 'has no anonymizers', '"is_anonymous_vpn"');
refused('one of anonymizers for countries', { geo =>
    "consent_geoip $anonymizers;" }, 'consent_geoip', 'has no country');
refused("a database with $_", { http =>
    "consent_anonymizer_db $anonymizers $_;" }, 'consent_anonymizer_db',
    qq{"$_"}) for qw(reload reload=x reload=10ms 1m);
twice(http => "consent_anonymizer_db $anonymizers;");

refused("consent_cache $_->[0]", { http => "consent_cache $_->[0];" },
    'consent_cache', $_->[1])
    for ['ttl=1s', 'zone='], ['zone=x', 'zone=x'], ['zone=:1m', 'zone=:1m'],
        ['zone=x:', 'zone=x:'], ['zone=x:y', 'zone=x:y'],
        ['zone=x:1k', 'zone=x:1k'], ['zone=x:1m ttl=x', '"ttl=x"'],
        ['zone=x:1m ttl=', '"ttl="'], ['zone=x:1m stale=-1', '"stale=-1"'],
        ['zone=x:1m old=1', '"old=1"'];
twice(http => 'consent_cache zone=x:1m;');
refused('a cache without a store', { store => '', gate => '',
    http => 'consent_cache zone=x:1m;' }, 'consent_cache', 'consent_store');
refused('a cache without keys', { keys => '', gate => '',
    http => 'consent_cache zone=x:1m;' }, 'consent_cache',
    'consent_key_file');


# Handlers.

refused("consent_api in $_->[0]", { more => $_->[0] . ' { consent_api; }' },
    'consent_api', 'location by prefix')
    for ['location = /consent/'], ['location ~ ^/consent/'],
        ['location @consent'];
refused('consent_qa without consent_override', { more =>
    'location /q { consent_qa; }' }, '"consent_override"', '"consent_qa"');
refused('consent_qa with consent_override off', { server =>
    'consent_override signed;', more =>
    'location /q { consent_override off; consent_qa; }' },
    '"consent_override"', '"consent_qa"');
refused('consent_qa without a store', { store => '', page => '', gate => '',
    more => 'location /q { consent_override signed; consent_qa; }' },
    '"consent_store"', '"consent_qa"');
refused('consent_qa twice', { more => 'location /q { '
    . 'consent_override signed; consent_qa; consent_qa; }' }, 'consent_qa',
    'duplicate');
refused('consent_qa with a word', { more =>
    'location /q { consent_qa on; }' }, 'consent_qa');
refused('consent_api twice', { more =>
    'location /c/ { consent_api; consent_api; }' }, 'consent_api',
    'duplicate');
refused('consent_api with a word', { more =>
    'location /c/ { consent_api on; }' }, 'consent_api');
refused("consent_status $_", { more =>
    "location /s { consent_status $_; }" }, 'consent_status', qq{"$_"})
    for qw(xml on JSON);
refused('consent_status twice', { more =>
    'location /s { consent_status; consent_status; }' }, 'consent_status',
    'duplicate');
refused('consent_api of a server', { server => 'consent_api;' },
    'consent_api', 'not allowed here');


# Those of the module, all of them.

my @all = slurp("$ConsentGate::Test::ROOT/src/http/"
    . 'ngx_http_consent_gate_module.c') =~ /ngx_string\("(consent_\w+)"\)/g;

cmp_ok scalar @all, '>', 20, 'the module has directives';
is_deeply [grep { !$tried{$_} } @all], [], 'each was given a mistake';

$t->done;
