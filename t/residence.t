use v5.36;

# A declared residence: inside it gates from anywhere; outside it cancels
# memory, anonymizer and the unknown, and never a present EEA address.

use lib 't/lib';
use Test::More;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $today = int(time / 86_400);
my @DOCUMENTS = qw(terms privacy cookies);

# 10.N.1.0/24 of the standard database is a VPN in country N.
my %network = map { (split /\./, address_of($_))[1] => 1 } qw(US DE GB none);
my $vpn = $t->mmdb({ map { ("10.$_.1.0/24" => { is_anonymous_vpn => 1 }) }
    keys %network });

$t->page("${_}index.html", 'home') for '', 'strict/', 'plus/', 'minus/', 'all/';
$t->nginx(<<"END");
    %%CONSENT%%
    consent_anonymizer_db $vpn;
    consent_subject \$http_x_account;
    consent_explain on;
    consent_gate on;
    %%REALIP%%
    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        consent_remember_eea 180d;
        location / { }
        location /strict/ {
            consent_anonymizer gate;
            consent_unknown_country gate;
        }
        location /plus/ { consent_territory eea +GB; }
        location /minus/ { consent_territory eea -IS; }
        location /all/ { consent_territory all; }
    }
END

my $redis = $t->redis;
my $http  = $t->http(headers => ['Sec-Fetch-Mode' => 'navigate',
    'Sec-Fetch-Dest' => 'document']);
my $n = 0;

# The answer to one with this record: "302 missing residence".
sub told ($from, $record, $uri = '/') {
    my $id = 'r' . ++$n;
    my $address = $from =~ s/^vpn:// ? address_of($from) =~ s/\.0\.1$/.1.1/r
        : address_of($from);

    put_record($redis, $id, $record) if $record;
    my $r = $http->get($uri, 'X-Account' => $id, 'X-Real-IP' => $address);
    my ($reason, $source) = $r->header('Consent-Gate')
        =~ /reason=(\w+);.* source=(\w+);/;

    return join ' ', $r->status, $reason, $source;
}

# evidence: from where, with what record beside `res`
my %EVIDENCE = (
    'an address inside'         => ['DE', {}],
    'a VPN exit inside'         => ['vpn:DE', {}],
    'an address outside'        => ['US', {}],
    'memory'                    => ['US', { eea => $today - 5 }],
    'a VPN'                     => ['vpn:US', {}],
    'an unknown country'        => ['none', {}],
    'a VPN of unknown country'  => ['vpn:none', {}],
    'A1'                        => ['A1', {}],
    'all of them'               => ['vpn:none', { eea => $today }],
);

my %WITHOUT = (
    'an address inside'         => '302 missing address',
    'a VPN exit inside'         => '302 missing address',
    'an address outside'        => '200 outside address',
    'memory'                    => '302 missing history',
    'a VPN'                     => '302 missing anonymizer',
    'an unknown country'        => '302 missing unknown',
    'a VPN of unknown country'  => '302 missing anonymizer',
    'A1'                        => '302 missing anonymizer',
    'all of them'               => '302 missing history',
);

for my $what (sort keys %EVIDENCE) {
    my ($from, $record) = @{ $EVIDENCE{$what} };
    my $present = $from =~ /DE/;
    my $unknown = $from =~ /none|A1/;

    subtest $what => sub {
        is told($from, $record, '/strict/'), $WITHOUT{$what},
            'without a residence';
        is told($from, { %$record, res => $_ }, '/strict/'),
            $present ? '302 missing address' : '302 missing residence',
            "a resident of $_" for qw(DE IS GP FR);
        is told($from, { %$record, res => $_ }, '/strict/'),
            $present ? '302 missing address'
            : $unknown ? '200 unknown_country unknown' : '200 outside address',
            "a resident of $_" for qw(US GB CH);
    };
}

subtest 'by the territory of the location' => sub {
    is told('US', { res => 'GB' }, '/'), '200 outside address', 'GB is outside';
    is told('US', { res => 'GB' }, '/plus/'), '302 missing residence',
        'and inside where it was added';
    is told('US', { res => 'IS' }, '/'), '302 missing residence',
        'IS is inside';
    is told('US', { res => 'IS' }, '/minus/'), '200 outside address',
        'and outside where it was taken away';
    is told('DE', { res => 'US' }, '/all/'), '302 missing address',
        'where all are asked';
    is told('US', { res => 'US' }, '/all/'), '302 missing address',
        'residence does not matter';
};

subtest 'who has accepted' => sub {
    my %accepted = map { ("d.$_" => 1) } @DOCUMENTS;
    is told('US', { res => 'DE', %accepted }), '200 accepted residence',
        'passes as a resident';
    is told('US', { res => 'US', %accepted, eea => $today }),
        '200 outside address', 'or is not asked at all';
    is told('US', { res => 'DE', %accepted, 'd.terms' => '-' }),
        '302 declined residence', 'has declined';
};

subtest 'a residence in lower case' => sub {
    is told('US', { res => 'de' }), '302 missing residence', 'is read';
    is told('vpn:US', { res => 'us' }, '/strict/'), '200 outside address',
        'either way';
};

# What is no country is no record: asked again rather than guessed.
for my $bad ('', 'XX', 'A1', 'T1', 'DEU', 'Germany', 'D', '??') {
    is told('US', { res => $bad, 'd.terms' => 1 }), '200 outside address',
        "'$bad' is no residence";
    is told('DE', { res => $bad, map { ("d.$_" => 1) } @DOCUMENTS }),
        '302 missing address', 'and the record is none';
}

$t->done;
