use v5.36;

# The page stands outside of the authentication that the gated location has: a
# signed cookie tells it for ten minutes who was gated.

use lib 't/lib';
use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(decode_base64url encode_base64 encode_base64url);
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('app/index.html', 'the app');
$t->page('policy-update.html', flow_page);
$t->write_file('htpasswd', join '', map { "$_:{PLAIN}secret\n" } qw(anna bert));

my $site = flow_site(server => <<'END') . <<'END';
    consent_override allow=$http_x_test_override;
    location /app/ {
        auth_basic closed;
        auth_basic_user_file %%DIR%%/htpasswd;
        consent_subject $remote_user;
    }
END
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name other;
        root %%ROOT%%;
        consent_gate on;
        consent_realm other;
        location = /policy-update {
            ssi on;
            default_type text/html;
            alias %%ROOT%%/policy-update.html;
        }
        location /consent/ { consent_api; }
    }
END

$t->nginx($site);

my $redis = $t->redis;
my @ANNA = (Authorization => 'Basic ' . encode_base64('anna:secret', ''));
my @BERT = (Authorization => 'Basic ' . encode_base64('bert:secret', ''));
my $COOKIE = 'consent-subject';

# A browser that was sent to the page from /app/; it does not authenticate
# anywhere else.
sub gated (@login) {
    my $browser = $t->browser('DE');
    $browser->get('/app/', @login);
    return $browser;
}

sub record_of ($name, %options) {
    return $redis->hash(key_of(account => $name, %options)->{record});
}


subtest 'from the gated location over the page and back' => sub {
    my $browser = $t->browser('DE');

    is $browser->get('/app/')->status, 401, 'authentication comes first';
    my $r = $browser->get('/app/', @ANNA);
    is $r->status, 302, 'then the gate';

    my $line = $r->cookie($COOKIE);
    like $line, qr/^$COOKIE=k1\.[\w-]+; /, 'a signed cookie';
    like $line, qr/; Path=\/; HttpOnly; SameSite=Lax; Max-Age=600$/,
        'for ten minutes';
    unlike $line, qr/anna/, 'that does not tell the name';
    is $r->cookie('consent'), undef, 'and no other';

    my ($query) = $r->location =~ /\?(.*)/;
    my $page = show($browser, $query);
    is $page->{subject}, key_of(account => 'anna')->{name},
        'the page is about the account';
    is $page->{response}->cookie('consent'), undef,
        'which needs no visitor cookie';
    is $browser->get('/consent/state')->json->{reason}, 'missing',
        'so is the state';

    $r = answer($browser, page => $page);
    is $r->status, 303, 'the answer is taken';
    is $r->location, '/app/', 'and leads back';
    like $r->cookie($COOKIE), qr/^$COOKIE=; .*; Max-Age=0$/,
        'the cookie is taken back';
    is $browser->jar->get($COOKIE), undef, 'indeed';
    is record_of('anna')->{'d.terms'}, 1, 'it is the account that accepted';
    is_deeply [$redis->keys('gc:s:*')], [key_of(account => 'anna')->{record}],
        'and nobody else';

    $r = $browser->get('/app/', @ANNA);
    is $r->body, 'the app', 'which passes';
    is $r->header('Set-Cookie'), undef, 'without a cookie';
};

subtest 'a decline' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = gated(@ANNA);

    my $r = answer($browser, what => 'decline');
    is $r->status, 303, 'is taken';
    is record_of('anna')->{'d.terms'}, '-', 'for the account';
    is $r->cookie($COOKIE), undef, 'the page needs the cookie again';
    my $page = fields($browser->get($r->location));
    is $page->{subject}, key_of(account => 'anna')->{name}, 'indeed';
    is answer($browser, page => $page)->status, 303, 'to accept after all';
    is $browser->get('/app/', @ANNA)->status, 200, 'and to pass';
};

subtest 'an account that is known on the page, too' => sub {
    $redis->cmd('FLUSHALL');
    my $anna = gated(@ANNA);
    my $other = gated(@BERT);

    $other->jar->set($COOKIE, $anna->jar->get($COOKIE));
    my $r = $other->get('/app/', @BERT);
    like $r->header('Consent-Gate'), qr/^page; .*record=absent/,
        'is not what the cookie of another says';
    isnt $other->jar->get($COOKIE), $anna->jar->get($COOKIE),
        'and the cookie is replaced';
};

# Otherwise the next to use the browser would answer in the place of the
# account, and be asked again for their own part.
subtest 'a visitor after an account' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = gated(@ANNA);
    ok $browser->jar->get($COOKIE), 'an account was gated here';

    my $r = $browser->get('/');
    is $r->status, 302, 'then a visitor is';
    is $browser->jar->get($COOKIE), undef, 'the cookie of the account goes';

    is answer($browser)->status, 303, 'the visitor answers';
    is_deeply record_of('anna'), {}, 'not for the account';
    is $browser->get('/')->body, 'home', 'and passes';
};

subtest 'what a script is told does not disturb the page' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = gated(@ANNA);
    my $page = show($browser);

    my $r = $t->script('DE', jar => $browser->jar)->get('/data');
    is $r->status, 403, 'a script of the page is refused as a visitor';
    is $r->header('Set-Cookie'), undef, 'and takes nothing away';
    is answer($browser, page => $page)->status, 303, 'the answer';
    is record_of('anna')->{'d.terms'}, 1, 'is still of the account';
};

subtest 'a cookie that is none' => sub {
    $redis->cmd('FLUSHALL');
    my $cookie = gated(@ANNA)->jar->get($COOKIE);
    my $account = key_of(account => 'anna')->{name};
    my ($kid, $text) = split /\./, $cookie;
    my %shown;

    my $try = sub ($value, %options) {
        my $browser = $t->browser('DE', %options);
        $browser->jar->set($COOKIE, $value);
        my $page = show($browser);
        isnt $page->{subject}, '', 'a visitor' if !%shown;
        return $page->{subject} eq $account ? 'account' : 'visitor';
    };

    is $try->($cookie), 'account', 'whole';

    my @bad = map { my $b = $cookie;
        substr $b, $_, 1, substr($b, $_, 1) eq 'A' ? 'B' : 'A'; $b }
        0 .. length($cookie) - 1;
    push @bad, map { substr $cookie, 0, $_ } 0 .. length($cookie) - 1;
    push @bad, "$cookie=", "x$cookie", $text, ".$text", "k2.$text", 'anna',
        '"' . $cookie . '"', 'A' x 3000;
    $shown{ $try->($_) }++ for @bad;
    is_deeply \%shown, { visitor => scalar @bad }, 'altered or cut off';

    is $try->($cookie, host => 'other'), 'visitor', 'of another realm';

    # made with the right key: of another type, and of a time that is over
    my $raw  = substr decode_base64url($text), 0, -16;
    my $sign = sub ($type, $raw) {
        my $key = hmac_sha256("consent-gate $type",
            pack 'H*', 'fedcba9876543210' x 4);
        return "$kid." . encode_base64url($raw
            . substr hmac_sha256("$kid.$raw", $key), 0, 16);
    };
    is $sign->('gated', $raw), $cookie, 'the derivation is as documented';
    is $try->($sign->($_, $raw)), 'visitor', "signed as $_"
        for qw(form receipt link override event);

    my $now = time;
    my ($at) = grep { my $v = unpack 'Q>', substr $raw, $_, 8;
        $v > $now && $v <= $now + 600 } 0 .. length($raw) - 8;
    ok defined $at, 'where it says until when';
    substr $raw, $at, 8, pack 'Q>', $now - 1;
    is $try->($sign->('gated', $raw)), 'visitor', 'expired';
    substr $raw, $at, 8, pack 'Q>', $now + 60;
    is $try->($sign->('gated', $raw)), 'account', 'not expired';

    # a form token is no cookie, a cookie is no form token
    my $browser = gated(@ANNA);
    my $page = show($browser);
    is $try->($page->{form_token}), 'visitor', 'a form token';
    is answer($browser, page => { %$page, form_token => $cookie })->status, 403,
        'a cookie in the place of a form token';
    is_deeply [$redis->keys('gc:s:*')], [], 'nothing is written';
};

subtest 'the cookie opens nothing but the page' => sub {
    $redis->cmd('FLUSHALL');
    my $browser = gated(@ANNA);

    is $browser->get('/app/')->status, 401, 'authentication is needed still';
    my $r = $browser->get('/');
    is $r->status, 302, 'elsewhere it is not an account';
    like $r->header('Consent-Gate'), qr/record=none/, 'nor looked up';
};

subtest 'testers' => sub {
    $redis->cmd('FLUSHALL');
    my @as = ('X-Test-Override' => 1, 'X-Consent-Country' => 'IS');
    my $browser = $t->browser('US');

    is $browser->get('/app/', @ANNA)->status, 200, 'an American passes';
    my $r = $browser->get('/app/', @ANNA, @as);
    is $r->status, 302, 'and is gated as an Icelander';
    my $page = fields($browser->get('/policy-update', @as));
    is $page->{subject}, key_of(test => 'aanna')->{name}, 'as a test subject';
    is answer($browser, page => $page, headers => \@as)->status, 303, 'accepts';
    is_deeply record_of('anna'), {}, 'the account has not';
    is $redis->hash(key_of(test => 'aanna')->{record})->{'d.terms'}, 1,
        'the test subject has';
    is $browser->get('/app/', @ANNA, @as)->status, 200, 'and passes';
    is gated(@ANNA)->get('/app/', @ANNA)->status, 302, 'the account does not';

    # a cookie of a test is none without the override, and the reverse
    $browser = $t->browser('US');
    $redis->cmd('FLUSHALL');
    $browser->get('/app/', @ANNA, @as);
    isnt show($browser)->{subject}, key_of(test => 'aanna')->{name},
        'no test without the override';
    $browser = gated(@ANNA);
    isnt fields($browser->get('/policy-update', @as))->{subject},
        key_of(account => 'anna')->{name}, 'no account with it';
};

$t->done;
