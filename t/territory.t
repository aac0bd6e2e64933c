use v5.36;

# Who is inside the territory, and what says so.

use lib 't/lib';
use Test::More;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my @EEA = qw(AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL
    PT RO SE SI SK IS LI NO AX GF GP MQ RE YT MF);
my @OUTSIDE = qw(GB CH GL FO BL PM WF NC PF AW CW SX BQ SJ IM JE GG GI MC SM
    VA AD XK US CA BR IN JP AU ZA TR UA RU CN);

my $today    = int(time / 86_400);
my %ACCEPTED = map { ("d.$_" => 1) } qw(terms privacy cookies);

my %RECORDS = (
    german     => { res => 'DE' },
    american   => { res => 'US' },
    done       => { res => 'DE', %ACCEPTED },
);
put_record($t->redis, $_, $RECORDS{$_}) for keys %RECORDS;

# A record of a continent, one of the continent and a country, two more.
my $odd = $t->mmdb({
    '10.1.0.0/16' => { continent => { code => 'EU' } },
    '10.2.0.0/16' => { continent => { code => 'EU' },
        country => { iso_code => 'DE' } },
    '10.3.0.0/16' => { registered_country => { iso_code => 'DE' } },
    '10.4.0.0/16' => { country => { iso_code => 'de' } },
    '10.5.0.0/16' => { country => { iso_code => 'DEU' } },
    '10.6.0.0/16' => { country => { iso_code => '' } },
    '10.7.0.0/16' => { country => { iso_code => 'XX' } },
});

my $LOCATIONS = <<'END';
    location / { }
    location /plus/ { consent_territory eea +GB +CH; }
    location /minus/ { consent_territory eea -IS -DE; }
    location /aliases/ { consent_territory eea +UK -EL; }
    location /lower/ { consent_territory eea +gb -de; }
    location /inherited/ {
        consent_territory eea +US;
        location /inherited/replaced/ { consent_territory eea +GB; }
        location /inherited/kept/ { }
    }
    location /lines/ { consent_territory eea; consent_territory +GB; }
    location /minus-eu/ { consent_territory eea -EU; }
    location /all/ { consent_territory all; }
    location /all-but/ { consent_territory all -US; }
    location /strict/ { consent_unknown_country gate; }
    location /variable/ { consent_country $http_x_country; }
    location /variable/strict/ {
        consent_country $http_x_country;
        consent_unknown_country gate;
    }
    location /purpose/ { consent_require_purpose ads; }
END

my $SERVER = <<'END';
    consent_purpose ads;
    consent_subject $http_x_account;
    consent_exempt $http_x_exempt;
    consent_explain on;
    consent_gate on;
    %%REALIP%%
    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
END

$t->page("$_/index.html", 'here') for '', qw(plus minus aliases lower inherited
    inherited/replaced inherited/kept lines minus-eu all all-but strict
    variable variable/strict purpose);

$t->nginx("%%CONSENT%%\n$SERVER\n$LOCATIONS\n}");

my $http = $t->http(headers => ['Sec-Fetch-Mode' => 'navigate',
    'Sec-Fetch-Dest' => 'document']);


sub from ($address, $uri, @headers) {
    my $r = $http->get($uri, 'X-Real-IP' => $address, @headers);
    my ($reason, $country, $source) = $r->header('Consent-Gate')
        =~ /^\w+; reason=(\w+); country=(\S+); source=(\w+);/;

    return { status => $r->status, reason => $reason, country => $country,
        source => $source };
}


sub inside ($code, $uri, $what, @headers) {
    for my $version (4, 6) {
        is_deeply from(address_of($code, $version), $uri, @headers),
            { status => 302, reason => 'missing', country => $code,
              source => 'address' }, "$what, IPv$version";
    }
    return;
}


sub outside ($code, $uri, $what, @headers) {
    for my $version (4, 6) {
        is_deeply from(address_of($code, $version), $uri, @headers),
            { status => 200, reason => 'outside', country => $code,
              source => 'address' }, "$what, IPv$version";
    }
    return;
}


subtest 'nobody outside costs a command' => sub {
    my $redis = $t->redis;
    my $count = sub {
        my ($n) = $redis->cmd('INFO', 'stats')
            =~ /^total_commands_processed:(\d+)/m;
        return $n;
    };

    # the policies are read by now, and once more when the feed begins
    from(address_of('DE'), '/');
    my $before = $redis->calls('hmget');
    my $total  = $count->();

    from(address_of($_), '/') for @OUTSIDE;
    from(address_of('US'), '/', Cookie => 'consent=AAAA; x=y');
    from(address_of('US'), '/', Cookie => 'consent=' . 'A' x 32);
    from(address_of('US'), '/', 'X-Account' => '');
    from(address_of('US'), '/purpose/');

    is $redis->calls('hmget'), $before, 'no lookup';
    cmp_ok $count->() - $total, '<', 20, 'nor anything else';

    $total = $count->();
    from(address_of('DE'), '/') for 1 .. 50;
    cmp_ok $count->() - $total, '<', 20, 'nor does who is asked, without a '
        . 'cookie';

    my @anna = (address_of('DE'), '/', 'X-Account' => 'anna');
    is from(@anna, 'X-Exempt' => 1)->{reason}, 'exempt', 'who is exempt';
    $http->request('OPTIONS', '/', ['X-Real-IP' => $anna[0], @anna[2, 3]]);
    is $redis->calls('hmget'), $before, 'is not looked up, nor OPTIONS';

    from(address_of('US'), '/', 'X-Account' => 'x');
    is $redis->calls('hmget'), $before + 1, 'but an account costs one';
};

subtest 'eea' => sub {
    is @EEA, 37, 'has 37 codes';
    inside($_, '/', $_) for @EEA;
    outside($_, '/', $_) for @OUTSIDE;
};

subtest 'EU and AP' => sub {
    inside('EU', '/', 'somewhere in the EU');
    outside('AP', '/', 'somewhere in Asia');
    outside('EU', '/minus-eu/', 'EU taken away');
};

subtest 'codes added and taken away' => sub {
    inside($_, '/plus/', $_) for qw(GB CH DE IS);
    outside($_, '/plus/', $_) for qw(US GG);
    outside($_, '/minus/', $_) for qw(IS DE US);
    inside($_, '/minus/', $_) for qw(NO FR);
    inside('GB', '/aliases/', '+UK is GB');
    outside('GR', '/aliases/', '-EL is GR');
    inside('GB', '/lower/', '+gb');
    outside('DE', '/lower/', '-de');
    inside('GB', '/lines/', 'on two lines');
};

subtest 'a location' => sub {
    inside('US', '/inherited/kept/', 'has what is around it');
    outside('US', '/inherited/replaced/', 'or its own');
    inside('GB', '/inherited/replaced/', 'instead');
};

subtest 'all' => sub {
    inside($_, '/all/', $_) for qw(DE US AP);
    outside('US', '/all-but/', 'but one');
    inside('CA', '/all-but/', 'and not the next');
    is from(address_of('none'), '/all/')->{status}, 302, 'unknown too';
    is from(address_of('T1'), '/all/')->{status}, 302, 'anonymous too';
};

subtest 'an unknown country' => sub {
    for my $code (qw(A1 T1 none)) {
        my $country = $code eq 'none' ? '-' : $code;

        is_deeply from(address_of($code), '/'), { status => 200,
            reason => 'unknown_country', country => $country,
            source => 'unknown' }, "$code passes";
        is_deeply from(address_of($code), '/strict/'), { status => 302,
            reason => 'missing', country => $country, source => 'unknown' },
            "$code is gated";
    }

    outside('US', '/strict/', 'a known one is as ever');
    is $t->script('none')->get('/strict/')->status, 403, 'a script is told so';
};

subtest 'a country from a variable' => sub {
    my $ask = sub ($country, $uri = '/variable/') {
        my $r = from(address_of('DE'), $uri,
            defined $country ? ('X-Country' => $country) : ());
        return "$r->{status} $r->{reason} $r->{country}";
    };

    is $ask->('DE'), '302 missing DE', 'inside';
    is $ask->('US'), '200 outside US', 'outside, whatever the address';
    is $ask->('de'), '302 missing DE', 'in lower case';
    is $ask->('Is'), '302 missing IS', 'in both';
    is $ask->('EU'), '302 missing EU', 'EU';
    is $ask->($_), '200 unknown_country -', "unknown: '$_'"
        for '', qw(XX ZZ ?? DEU D D% Germany), 'DE,US', ' ', 'x' x 1000;
    is $ask->(undef), '200 unknown_country -', 'unknown: not set';
    is $ask->('T1'), '200 unknown_country T1', 'Tor';
    is $ask->('XX', '/variable/strict/'), '302 missing -', 'gated';
    is $ask->('XK'), '200 outside XK', 'Kosovo is a country';
    is $ask->('UK'), '200 outside UK', 'UK is not in the EEA';
};

subtest 'a declared residence' => sub {
    my $ask = sub ($country, $account, $uri = '/') {
        my $r = from(address_of($country), $uri, 'X-Account' => $account);
        return join ' ', @$r{qw(status reason source)};
    };

    is $ask->('US', 'german'), '302 missing residence', 'inside, away';
    is $ask->('DE', 'german'), '302 missing address', 'inside, at home';
    is $ask->('DE', 'american'), '302 missing address',
        'outside, on a visit: the law looks at where one is';
    is $ask->('US', 'american'), '200 outside address', 'outside, at home';
    is $ask->('US', 'done'), '200 accepted residence', 'and accepted';
    is $ask->('US', 'nobody'), '200 outside address', 'no record';
    is $ask->('none', 'american', '/strict/'),
        '200 unknown_country unknown', 'outside cancels the unknown';
    is $ask->('none', 'german', '/'), '302 missing residence',
        'inside from who knows where';
    is $ask->('T1', 'nobody', '/strict/'), '302 missing unknown',
        'no residence';
    is $ask->('US', 'german', '/minus/'), '200 outside address',
        'by the territory of the location';
};

subtest 'odd records of a database' => sub {
    my $consent = ConsentGate::Test::consent_block() =~ s/%%GEO%%/$odd/r;
    ok $t->reload("$consent\n$SERVER\n$LOCATIONS\n}"), 'another database';

    is from('10.1.0.1', '/')->{reason}, 'unknown_country', 'continent only';
    is from('10.1.0.1', '/strict/')->{status}, 302, 'is gated';
    is from('10.2.0.1', '/')->{country}, 'DE', 'continent and country';
    is from('10.3.0.1', '/')->{reason}, 'unknown_country',
        'where a network is registered is not where it is';
    is from('10.4.0.1', '/')->{country}, 'DE', 'lower case';
    is from("10.$_.0.1", '/')->{reason}, 'unknown_country',
        'a value that is no code' for 5 .. 7;
};

$t->done;
