use v5.36;

# Addresses behind which their users may be anywhere: VPNs, proxies, Tor,
# data centers.

use lib 't/lib';
use Test::More;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

# Each address of the standard database has the country of its second byte;
# here the third one says what it is known as. MaxMind writes what is true.
my @MAXMIND = (
    [1 => anonymous         => 'is_anonymous'],
    [2 => hosting           => qw(is_anonymous is_hosting_provider)],
    [3 => proxy             => qw(is_anonymous is_public_proxy)],
    [4 => residential_proxy => qw(is_anonymous is_residential_proxy)],
    [5 => vpn               => qw(is_anonymous is_anonymous_vpn)],
    [6 => tor               => qw(is_anonymous is_tor_exit_node)],
    [7 => vpn => qw(is_anonymous is_anonymous_vpn is_hosting_provider)],
    [8 => tor => qw(is_anonymous is_anonymous_vpn is_tor_exit_node
        is_hosting_provider is_public_proxy)],
    [9 => residential_proxy => qw(is_residential_proxy is_public_proxy)],
    [10 => ''],
    [11 => vpn => 'is_anonymous_vpn'],
);

my %COUNTRY = map { $_ => (split /\./, address_of($_))[1] }
    qw(US DE GB A1 T1);

sub networks ($record) {
    return { map {
        my ($third, undef, @fields) = @$_;
        map { ("10.$_.$third.0/24" => $record->(@fields)) } values %COUNTRY
    } @MAXMIND };
}

my $maxmind = networks(sub (@fields) { return { map { $_ => 1 } @fields } });
my $PATH = $t->dir . '/anonymizers.mmdb';

sub replace ($networks) {
    $t->write_file($PATH, slurp($t->mmdb($networks)));
    return;
}

my %RECORDS = (
    american => { res => 'US' },
    german   => { res => 'DE' },
    done     => { map { ("d.$_" => 1) } qw(terms privacy cookies) },
);
put_record($t->redis, $_, $RECORDS{$_}) for keys %RECORDS;

my $SERVER = <<'END';
    consent_anonymizer_db %%DIR%%/anonymizers.mmdb reload=100ms;
    consent_subject $http_x_account;
    consent_explain on;
    consent_gate on;
    %%REALIP%%
    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        location / { }
        location /strict/ {
            consent_anonymizer gate;
            location /strict/not/ { consent_anonymizer pass; }
        }
        location /moved/ { rewrite ^ /strict/index.html last; }
        location /named/ {
            add_header X-Anonymizer "[$consent_anonymizer]" always;
        }
        location /plus/ {
            consent_anonymizer gate;
            consent_territory eea +GB;
        }
        location /tried/ {
            try_files /nothing /strict/index.html;
        }
        location /header/ {
            consent_country $http_x_country;
            consent_anonymizer gate;
            add_header X-Anonymizer "[$consent_anonymizer]" always;
        }
        location /off/ {
            consent_gate off;
            add_header X-Anonymizer "[$consent_anonymizer]" always;
        }
    }
END

replace($maxmind);
$t->page("${_}index.html", 'here')
    for '', qw(strict/ strict/not/ named/ plus/ header/ off/);
$t->nginx("%%CONSENT%%\n$SERVER");

my $http = $t->http(headers => ['Sec-Fetch-Mode' => 'navigate',
    'Sec-Fetch-Dest' => 'document']);

sub ask ($country, $third, $uri, @headers) {
    return $http->get($uri, 'X-Real-IP' => "10.$COUNTRY{$country}.$third.9",
        @headers);
}

# "302 missing US anonymizer"
sub told (@request) {
    my $r = ask(@request);
    my ($reason, $country, $source) = $r->header('Consent-Gate')
        =~ /^\w+; reason=(\w+); country=(\S+); source=(\w+);/;

    return join ' ', $r->status, $reason, $country, $source;
}

sub kind (@request) {
    return ask(@request)->header('X-Anonymizer');
}


subtest 'kinds of MaxMind' => sub {
    for my $case (@MAXMIND) {
        my ($third, $kind, @fields) = @$case;

        is kind(US => $third, '/named/'), "[$kind]",
            "@fields is '$kind', with the gate passing it";
        is told(US => $third, '/'), '200 outside US address', 'which it does';
        is told(US => $third, '/strict/'), $kind
            ? '302 missing US anonymizer' : '200 outside US address',
            'or gates it';
    }

    is kind(US => 99, '/named/'), '[]', 'no record is nothing';
    is told(US => 99, '/strict/'), '200 outside US address', 'and passes';
    is kind(US => 6, '/off/'), '[]', 'a gate that is off names none';
};

subtest 'looked for where it matters' => sub {
    my $known = sub ($uri) {
        return ask(US => 5, $uri)->header('Consent-Gate')
            =~ /anonymizer=(\S+?);/ ? $1 : 'nothing';
    };

    is $known->('/'), '-', 'not where it passes';
    is $known->('/strict/'), 'vpn', 'but where it is gated';
    is $known->('/named/'), '-', 'a variable asks for itself, later';
    is $known->('/strict/not/'), '-', 'not where it passes within';
};

subtest 'a VPN exit inside of the EEA' => sub {
    is told(DE => 5, '/strict/'), '302 missing DE address',
        'is in Germany, by its address';
    is told(DE => 5, '/'), '302 missing DE address', 'also if VPNs pass';
    is kind(DE => 5, '/named/'), '[vpn]', 'it is named all the same';
    is told(GB => 5, '/plus/'), '302 missing GB address',
        'so is one in a country that was added';
    is told(GB => 5, '/strict/'), '302 missing GB anonymizer',
        'and not where it was not';
};

subtest 'A1 and T1 in the place of a country' => sub {
    is told(A1 => 99, '/'), '200 unknown_country A1 unknown', 'A1 passes';
    is told(T1 => 99, '/'), '200 unknown_country T1 unknown', 'T1 passes';
    is told(A1 => 99, '/strict/'), '302 missing A1 anonymizer', 'A1 is gated';
    is told(T1 => 99, '/strict/'), '302 missing T1 anonymizer', 'T1 is gated';
    is kind(A1 => 99, '/named/'), '[anonymous]', 'A1 is of no known kind';
    is kind(T1 => 99, '/named/'), '[tor]', 'T1 is Tor';
    is kind(A1 => 5, '/named/'), '[vpn]', 'the other database says more';
    is kind(T1 => 5, '/named/'), '[tor]', 'or less';
};

subtest 'a country that a CDN tells' => sub {
    is told(US => 5, '/header/', 'X-Country' => 'US'),
        '302 missing US anonymizer', 'the address is looked at still';
    is told(US => 5, '/header/', 'X-Country' => 'FR'),
        '302 missing FR address', 'but the country comes first';
    is told(US => 99, '/header/', 'X-Country' => 'T1'),
        '302 missing T1 anonymizer', 'that may be T1';
    is kind(US => 99, '/header/', 'X-Country' => 't1'), '[tor]', 'or t1';
};

subtest 'residence' => sub {
    my $ask = sub ($who, $third = 5) {
        return told(US => $third, '/strict/', 'X-Account' => $who);
    };

    is $ask->('american'), '200 outside US address',
        'declared outside cancels the VPN';
    is told(DE => 5, '/strict/', 'X-Account' => 'american'),
        '302 missing DE address', 'not one that comes out in Germany';
    is $ask->('german'), '302 missing US residence', 'inside is named first';
    is $ask->('done'), '200 accepted US anonymizer', 'who has accepted passes';
    is $ask->('nobody'), '302 missing US anonymizer', 'who has not does not';
};

subtest 'a location decides for itself' => sub {
    is told(US => 5, '/strict/not/'), '200 outside US address',
        'within one that gates';
    is told(US => 5, '/moved/'), '302 missing US anonymizer',
        'after a rewrite';
    is told(US => 5, '/tried/'), '302 missing US anonymizer',
        'after an internal redirect';
};

# IPinfo: booleans, or strings.
for my $case (
    ['booleans', { value => 1, false => 0, boolean => 1 }],
    ['strings', { value => 'true', false => 'false' }],
    ['strings, nothing for false', { value => 'true', false => '' }],
) {
    my ($what, $o) = @$case;

    subtest "IPinfo, $what" => sub {
        my @names = qw(vpn proxy tor relay hosting);
        my $record = sub (@true) {
            my %true = map { $_ => 1 } @true;
            return { map { ($_ => $o->{ $true{$_} ? 'value' : 'false' }) }
                @names };
        };
        my %kinds = (1 => ['vpn'], 2 => ['proxy'], 3 => ['tor'],
            4 => ['relay'], 5 => ['hosting'], 6 => [],
            7 => [qw(vpn hosting)], 8 => [qw(relay hosting)]);
        my $networks = { map {
            ("10.$COUNTRY{US}.$_.0/24" => $record->(@{ $kinds{$_} }))
        } keys %kinds };

        $t->write_file($PATH, slurp($t->mmdb($networks,
            $o->{boolean} ? (types => { map { $_ => 'boolean' } @names })
                : ())));
        my $from = $t->log_size;
        ok wait_for(sub { kind(US => 2, '/named/') eq '[proxy]'
            && kind(US => 6, '/named/') eq '[]' }, 5), 'comes into use';

        for my $third (sort keys %kinds) {
            my $kind = $kinds{$third}[0] // '';
            is kind(US => $third, '/named/'), "[$kind]", "@{$kinds{$third}}";
            is told(US => $third, '/strict/'), $kind
                ? '302 missing US anonymizer' : '200 outside US address',
                'gated if it is one';
        }

        replace($maxmind);
        ok wait_for(sub { kind(US => 3, '/named/') eq '[proxy]' }, 5),
            'and goes again';
    };
}

subtest 'replaced while nginx runs' => sub {
    my $from = $t->log_size;
    replace({ "10.$COUNTRY{US}.99.0/24" => { is_tor_exit_node => 1 } });
    ok wait_for(sub { kind(US => 99, '/named/') eq '[tor]' }, 5), 'by a rename';
    like substr($t->log, $from),
        qr/\[notice\].*consent_anonymizer_db: "\Q$PATH\E" is replaced/,
        'is logged';

    $from = $t->log_size;
    replace({ '10.0.0.0/8' => { country => { iso_code => 'DE' } } });
    ok $t->wait_for_log(
        qr/\[error\].*consent_anonymizer_db: "\Q$PATH\E".*old.*kept/,
        from => $from), 'by a database of countries: refused';
    is kind(US => 99, '/named/'), '[tor]', 'the old one is kept';
    replace($maxmind);
    ok wait_for(sub { kind(US => 3, '/named/') eq '[proxy]' }, 5),
        'until there is a good one';
};

subtest 'one that is none' => sub {
    $t->write_file("$PATH.country",
        slurp($t->mmdb({ '10.0.0.0/8' => { country => { iso_code => 'DE' },
            proxy => 'perhaps' } })));
    my $r = $t->nginx_t("%%CONSENT%%\nconsent_anonymizer_db $PATH.country;");
    my @lines = $r->{output} =~ /^.*\[emerg\].*$/mg;

    is @lines, 1, 'nginx -t fails with one line' or diag $r->{output};
    like $lines[0], qr/"consent_anonymizer_db": "\Q$PATH.country\E"/,
        'that names directive and file';
    like $lines[0], qr/has no anonymizers: looked for "is_anonymous".*"tor"/,
        'and what was looked for';
};

$t->done;
