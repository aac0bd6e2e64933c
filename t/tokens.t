use v5.36;

# A form token is good for one answer, of one subject, to what was shown: spent,
# foreign, altered or old it changes nothing.

use lib 't/lib';
use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(decode_base64url encode_base64url);
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $OLD     = 'fedcba9876543210' x 4;
my $NEW     = '0011223344556677' x 4;
my $SUBJECT = 'subject ' . '0123456789abcdef' x 4;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $site = flow_site(
    http   => 'consent_purpose analytics;',
    server => 'consent_subject $http_x_test_account;',
) . <<'END';
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name other;
        root %%ROOT%%;
        consent_gate on;
        consent_realm other;
        consent_subject $http_x_test_account;
        location /consent/ { consent_api; }
    }
END

$t->key_file;
$t->nginx($site);

my $redis = $t->redis;

sub account ($name, %options) {
    return $t->script('DE', headers => ['X-Test-Account' => $name], %options);
}

sub state_of ($http) { return $http->get('/consent/state')->json }

# An answer by JSON with another token; its status and the problem's type.
sub try_token ($http, $token) {
    my $r = answer_as_script($http, token => $token,
        state => { missing => [qw(terms privacy cookies)] });

    return $r->status if $r->status == 200;
    return $r->status . ' ' . $r->json->{type} =~ s/^urn:consent-gate://r;
}

sub written () { return [$redis->keys('gc:*')] }


subtest 'spent' => sub {
    my $anna  = account('anna');
    my $state = state_of($anna);

    is answer_as_script($anna, state => $state)->json->{result}, 'written',
        'the first time';
    is answer_as_script($anna, state => $state)->json->{result}, 'repeated',
        'the same answer again is the same success';
    is scalar(events($redis)), 1, 'and one event';
    is answer_as_script($anna, state => $state, purposes => ['analytics'])
        ->status, 409, 'another answer is none';
    is answer_as_script($anna, state => $state, what => 'decline')->status,
        409, 'nor is the opposite';
    is scalar(events($redis)), 1, 'still one event';
    is $redis->hash(key_of(account => 'anna')->{record})->{rev}, 1,
        'and one write';
};

subtest 'the same form sent twice' => sub {
    my $browser = $t->browser('DE');
    $redis->cmd('FLUSHALL');
    my $page = show($browser);

    is answer($browser, page => $page)->status, 303, 'the first';
    is answer($browser, page => $page)->status, 303, 'the second';
    is scalar(events($redis)), 1, 'one event';

    my $r = answer($browser, page => $page, purpose => 'analytics');
    is $r->status, 409, 'with another box ticked';
    my $again = fields($r);
    is $again->{problem}, 'changed', 'the page again, which says why';
    is answer($browser, page => $again, purpose => 'analytics')->status, 303,
        'and whose form works';
};

subtest 'of somebody else' => sub {
    $redis->cmd('FLUSHALL');
    my $anna = account('anna');
    my $mine = $t->browser('DE');
    my $token = show($mine)->{form_token};

    is try_token($anna, $token), '403 expired', q{a visitor's, by an account};
    is try_token($mine, state_of($anna)->{token}), '403 expired',
        q{an account's, by a visitor};
    is try_token(account('bert'), state_of($anna)->{token}), '403 expired',
        q{another account's};

    my $other = $t->browser('DE');
    show($other);
    is try_token($other, $token), '403 expired', q{another visitor's};

    my $r = answer($other, page => { form_token => $token, return => '/',
        missing => 'terms,privacy,cookies' });
    is $r->status, 403, 'by a form';
    is fields($r)->{problem}, 'expired', 'the page again, which says why';
    is_deeply written, [], 'nothing is written';
};

subtest 'of an older state' => sub {
    $redis->cmd('FLUSHALL');
    my $anna = account('anna');
    my $old = state_of($anna);

    answer_as_script($anna, what => 'decline');
    is try_token($anna, $old->{token}), '409 changed',
        'of before the record existed';

    my $middle = state_of($anna);
    answer_as_script($anna, purposes => ['analytics']);
    is try_token($anna, $middle->{token}), '409 changed', 'of the rev before';
    is scalar(events($redis)), 2, 'nothing is added';
};

subtest 'of another realm' => sub {
    $redis->cmd('FLUSHALL');
    my $here  = account('anna');
    my $there = account('anna', host => 'other');

    is try_token($there, state_of($here)->{token}), '403 expired', 'is none';
    is try_token($here, state_of($there)->{token}), '403 expired', 'nor back';
    is_deeply written, [], 'nothing is written';
    is answer_as_script($there)->status, 200, 'its own is one';
    is_deeply written, [sort { $a cmp $b } @{ key_of(account => 'anna',
        realm => 'other') }{qw(record events)}], 'of another subject';
};

subtest 'altered' => sub {
    $redis->cmd('FLUSHALL');
    my $anna  = account('anna');
    my $token = state_of($anna)->{token};
    my %result;

    for my $i (0 .. length($token) - 1) {
        my $bad = $token;
        my $c = substr $bad, $i, 1;
        substr $bad, $i, 1, $c eq 'A' ? 'B' : 'A';
        $result{ try_token($anna, $bad) }++;
    }
    is_deeply \%result, { '403 expired' => length $token },
        'in each of its ' . length($token) . ' characters';

    my ($kid, $text) = split /\./, $token;
    my $raw = decode_base64url($text);
    %result = ();

    for my $bit (0 .. 8 * length($raw) - 1) {
        next if $bit % 8 != $bit / 8 % 8;       # one bit of each byte
        my $bad = $raw;
        vec($bad, $bit, 1) ^= 1;
        $result{ try_token($anna, "$kid." . encode_base64url($bad)) }++;
    }
    is_deeply [keys %result], ['403 expired'], 'in each of its bytes';

    %result = ();
    $result{ try_token($anna, substr $token, 0, $_) }++
        for 0 .. length($token) - 1;
    is_deeply [keys %result], ['403 expired'], 'cut off anywhere';

    %result = map { try_token($anna, $_) => 1 } "$token=", "$token.", "$token ",
        " $token", "$token\n", "$token$token", ".$text", $text, "k2.$text",
        "$kid..$text", uc $token, "$kid." . encode_base64url("$raw\0"),
        'A' x 30_000, "$kid." . 'A' x 30_000, '.', '..', "\x{c3}\x{bf}";
    is_deeply [keys %result], ['403 expired'], 'with more around it';
    is_deeply written, [], 'nothing is written';
};

subtest 'altered, for the other forms' => sub {
    $redis->cmd('FLUSHALL');
    my $anna = account('anna');
    answer_as_script($anna);
    my $before = $redis->hash(key_of(account => 'anna')->{record});
    my $token = state_of($anna)->{token};
    my ($kid, $text) = split /\./, $token;
    my $raw = decode_base64url($text);

    for my $what (qw(withdraw purposes residence age erase)) {
        my %result;
        my $try = sub ($bad) {
            $result{ answer_as_script($anna, what => $what, documents => [],
                state => { token => $bad }, purposes => ['analytics'],
                residence => 'FR', age => 'yes')->status }++;
        };

        for my $bit (grep { $_ % 8 == $_ / 8 % 8 } 0 .. 8 * length($raw) - 1) {
            my $bad = $raw;
            vec($bad, $bit, 1) ^= 1;
            $try->("$kid." . encode_base64url($bad));
        }
        $try->(substr $token, 0, $_) for 0 .. length($token) - 1;
        is_deeply [keys %result], [403], "$what: a byte, or cut off anywhere";
    }
    is_deeply $redis->hash(key_of(account => 'anna')->{record}), $before,
        'the record stands';
    is scalar(events($redis)), 1, 'no event is added';
    is answer_as_script($anna, what => 'residence', documents => [],
        state => { token => $token }, residence => 'FR')->status, 200,
        'the token as it was is good';
    $redis->cmd('FLUSHALL');
};

subtest 'of another type' => sub {
    my $anna = account('anna');
    my ($kid, $text) = split /\./, state_of($anna)->{token};
    my $raw = substr decode_base64url($text), 0, -16;
    my $sign = sub ($type) {
        my $key = hmac_sha256("consent-gate $type", pack 'H*', $OLD);
        return "$kid." . encode_base64url($raw
            . substr hmac_sha256("$kid.$raw", $key), 0, 16);
    };

    is $sign->('form'), "$kid.$text", 'the derivation is the documented one';
    is try_token($anna, $sign->($_)), '403 expired', "signed as $_"
        for qw(gated receipt link override event);
    is_deeply written, [], 'nothing is written';

    # a token of this site, signed right, of a time that is over
    my $old = $raw;
    my $now = time;
    my ($at) = grep { my $v = unpack 'Q>', substr $old, $_, 8;
        $v > $now && $v < $now + 7300 } 0 .. length($old) - 8;
    ok defined $at, 'where it says until when';
    substr $old, $at, 8, pack 'Q>', $now - 1;
    $raw = $old;
    is try_token($anna, $sign->('form')), '403 expired', 'is expired';
    substr $raw, $at, 8, pack 'Q>', $now + 60;
    is try_token($anna, $sign->('form')), 200, 'and was good before';
};

subtest 'of a configuration in another order' => sub {
    $redis->cmd('FLUSHALL');
    my $anna  = account('anna');
    my $state = state_of($anna);

    my @documents = ConsentGate::Test::consent_block()
        =~ /^\s*(consent_document .*?;)/gms;
    my $consent = ConsentGate::Test::consent_block()
        =~ s/consent_document .*?;//gsr . join "\n", reverse @documents;
    ok $t->reload($site =~ s/%%CONSENT%%/$consent/r), 'is loaded';

    is answer_as_script($anna, state => $state, what => 'decline',
        documents => ['terms'])->status, 200, 'is good';
    my ($event) = events($redis);
    is_deeply [map { $_->{name} } @{ $event->{docs} }], ['terms'],
        'for what it was given for';
    is $redis->hash(key_of(account => 'anna')->{record})->{'d.terms'}, '-',
        'on record, too';
    ok $t->reload($site), 'and back';
};

subtest 'a sign key that rotates' => sub {
    $redis->cmd('FLUSHALL');
    my ($anna, $bert, $carl) = map { account($_) } qw(anna bert carl);
    my %state = map { $_ => state_of($_) } $anna, $bert, $carl;

    $t->key_file($SUBJECT, "sign k2 $NEW", "sign k1 $OLD");
    ok $t->reload, 'a new key in front';
    is answer_as_script($anna, state => $state{$anna})->status, 200,
        'a token of the old key is good';
    my ($event) = events($redis);
    is $event->{kid}, 'k2', 'its event is signed with the new one';
    is $event->{mac}, event_mac($event->{body}, pack 'H*', $NEW), 'indeed';
    like state_of($bert)->{token}, qr/^k2\./, 'new tokens are of the new key';

    $t->key_file($SUBJECT, "sign k2 $NEW");
    ok $t->reload, 'the old key removed';
    is try_token($carl, $state{$carl}{token}), '403 expired',
        'a token of the old key is none';

    $t->key_file($SUBJECT, "sign k1 $NEW");
    ok $t->reload, 'another key by the old name';
    is try_token($carl, $state{$carl}{token}), '403 expired',
        'a token of the old key is none';
    is answer_as_script($carl)->status, 200, 'a new one is good';
};

$t->done;
