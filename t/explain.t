use v5.36;

# consent_explain: a header that tells why.

use lib 't/lib';
use Test::More;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

put_record($t->redis, 'accepted', { map { ("d.$_" => 1) }
    qw(terms privacy cookies) });

put_record($t->redis, 'french', { res => 'FR' });
put_record($t->redis, 'american', { res => 'US', eea => int time / 86_400 });
put_record($t->redis, 'traveller', { eea => int time / 86_400 - 3 });
put_record($t->redis, 'refused', { 'p.ads' => 0, map { ("d.$_" => 1) }
    qw(terms privacy cookies) });

$t->page('index.html', 'home');
$t->nginx(<<'END');
    %%CONSENT%%
    consent_purpose ads;
    consent_subject $http_x_account;
    consent_gate on;
    %%REALIP%%

    map $http_x_secret $secret { open-sesame 1; default 0; }

    server {
        listen 127.0.0.1:%%PORT_up%%;
        consent_gate off;
        location / {
            add_header Consent-Gate "spoofed";
            return 200 "upstream";
        }
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;

        location / { consent_explain on; }
        location /all/ {
            consent_explain on;
            consent_remember_eea 180d;
            consent_unknown_country gate;
            consent_anonymizer gate;
            consent_exempt $http_x_free;
            alias %%ROOT%%/;
        }
        location /ads/ {
            consent_explain on;
            consent_require_purpose ads;
            alias %%ROOT%%/;
        }
        location /no/ { alias %%ROOT%%/; }
        location /off/ { consent_explain off; alias %%ROOT%%/; }
        location /secret/ { consent_explain $secret; alias %%ROOT%%/; }
        location /gate-off/ {
            consent_explain on;
            consent_gate off;
            alias %%ROOT%%/;
        }
        location /report/ {
            consent_explain on;
            consent_gate report;
            alias %%ROOT%%/;
        }
        location /first/ {
            consent_explain on;
            error_page 404 = /no/index.html;
        }
        location /second/ { error_page 404 = /index.html; }
        location /upstream/ {
            consent_explain on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
END

my $http = $t->http;


sub told ($country, $uri, @headers) {
    return $http->get($uri, 'X-Real-IP' => address_of($country), @headers)
        ->header('Consent-Gate');
}

# How long it took is another time each time.
sub timeless ($text) {
    return defined $text ? $text =~ s/_us=\d+/_us=N/gr : undef;
}

sub whole (@of) { return timeless(told(@of)) }

sub rest ($step, $evidence, %o) {
    return "; step=$step; evidence=$evidence; anonymizer="
        . ($o{anonymizer} // '-') . '; cache=' . ($o{cache} // 'bypass')
        . '; place_us=N; record_us=N';
}


my @HTML = (Accept => 'text/html');

subtest 'all of it' => sub {
    is whole('DE', '/', @HTML), 'page; reason=missing; country=DE;'
        . ' source=address; class=navigation; gate=on; record=none'
        . rest('documents', 'address'),
        'a German';
    is whole('DE', '/', @HTML, 'X-Account' => 'new'),
        'page; reason=missing; country=DE;'
        . ' source=address; class=navigation; gate=on; record=absent'
        . rest('documents', 'address'),
        'an account';
    is whole('DE', '/', @HTML, 'X-Account' => 'accepted'),
        'pass; reason=accepted; country=DE;'
        . ' source=address; class=navigation; gate=on; record=found'
        . rest('-', 'address'),
        'one that has accepted';
    is whole('US', '/', @HTML), 'pass; reason=outside; country=US;'
        . ' source=address; class=navigation; gate=on; record=none'
        . rest('place', 'address'),
        'an American';
    is whole('none', '/', @HTML), 'pass; reason=unknown_country; country=-;'
        . ' source=unknown; class=navigation; gate=on; record=none'
        . rest('place', 'unknown'),
        'from who knows where';
    is whole('T1', '/', @HTML), 'pass; reason=unknown_country; country=T1;'
        . ' source=unknown; class=navigation; gate=on; record=none'
        . rest('place', 'unknown',
            anonymizer => 'tor'), 'by Tor';
    is whole('DE', '/report/', @HTML), 'page; reason=missing; country=DE;'
        . ' source=address; class=navigation; gate=report; record=none'
        . rest('documents', 'address'),
        'a gate that reports';
};

subtest 'what decided, and by which evidence' => sub {
    my $why = sub ($country, $uri, @headers) {
        return join ' ', told($country, $uri, @HTML, @headers)
            =~ /reason=(\w+); .* source=(\w+); .* step=(\S+); evidence=(\w+)/;
    };

    is $why->('DE', '/all/', 'X-Free' => 1), 'exempt address free address',
        'exempt';
    is $why->('US', '/all/', 'X-Account' => 'french'),
        'missing residence documents residence', 'lives inside';
    is $why->('US', '/all/', 'X-Account' => 'traveller'),
        'missing history documents history', 'was inside';
    is $why->('US', '/all/', 'X-Account' => 'american'),
        'outside address place residence', 'lives outside, and was inside';
    is $why->('none', '/all/'), 'missing unknown documents unknown',
        'unknown';
    is $why->('T1', '/all/'), 'missing anonymizer documents anonymizer',
        'Tor';
    is $why->('DE', '/ads/', 'X-Account' => 'refused'),
        'purpose address purposes address', 'a purpose';
    is $why->('US', '/ads/', 'X-Account' => 'refused'),
        'purpose address purposes address', 'outside, too';
    is $why->('DE', '/', 'Sec-Fetch-Mode' => 'no-cors', 'Sec-Fetch-Dest' =>
        'image'), 'accepted address subresource address', 'an image';
};

subtest 'the class, also where it does not matter' => sub {
    for my $country (qw(DE US)) {
        like told($country, '/', Accept => 'application/json'),
            qr/class=api;/, "$country: a script";
        like told($country, '/', Accept => 'image/png'),
            qr/class=subresource;/, "$country: an image";
        like told($country, '/', @HTML), qr/class=navigation;/,
            "$country: a navigation";
    }
};

subtest 'who is told' => sub {
    is told('DE', "/$_/", @HTML), undef, "nobody: $_" for qw(no off secret);
    like told('DE', '/secret/', @HTML, 'X-Secret' => 'open-sesame'),
        qr/^page;/, 'who knows the word';
    is told('DE', '/secret/', @HTML, 'X-Secret' => 'please'), undef,
        'nobody else';
    is told('DE', '/gate-off/', @HTML), undef,
        'nobody of a gate that is off';
};

subtest 'over an internal redirect' => sub {
    like told('US', '/first/x', @HTML), qr/^pass; reason=outside;/,
        'it stays';
    like told('US', '/second/x', @HTML), qr/^pass; reason=outside;/,
        'or comes';
};

subtest 'the word of an upstream' => sub {
    my $r = $http->get('/upstream/', 'X-Real-IP' => address_of('US'));
    my ($ours) = grep { /^pass; reason=outside/ } $r->headers('Consent-Gate');
    ok $ours, 'is not the only one';
};

$t->redis->stop;

subtest 'a store that is down' => sub {
    is whole('DE', '/', @HTML, 'X-Account' => 'accepted'),
        'pass; reason=store_down; country=DE;'
        . ' source=address; class=navigation; gate=on; record=failed'
        . rest('store', 'address'),
        'is told';
};

$t->done;
