use v5.36;

# consentctl override: a token that the gate takes.

use lib 't/lib';
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->nginx(<<'END');
    %%CONSENT%%
    consent_gate on;
    %%REALIP%%

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        consent_override signed;
    }
    server {
        listen 127.0.0.1:%%PORT_shop%%;
        root %%ROOT%%;
        consent_override signed;
        consent_realm shop;
    }
END

my $ctl = ConsentGate::Ctl->new($t);
my $http = $t->http(headers => [Accept => 'text/html',
    'X-Real-IP' => address_of('US')]);


sub told ($token, $port = '') {
    return $http->clone(port => $t->port($port))
        ->get('/', 'X-Consent-Override' => $token)
        ->header('Consent-Override');
}

sub fails ($name, $message, @words) {
    my $run = $ctl->run('override', @words);
    isnt $run->code, 0, "$name: fails";
    is $run->out, '', "$name: makes nothing";
    like $run->err, qr/^consentctl: $message$/m, "$name: says why";
    return;
}


subtest 'a token' => sub {
    my $run = $ctl->run(qw(override --country de));
    is $run->code, 0, 'is made';
    is $run->err, '', 'in silence';
    like $run->out, qr/\Ak1\.[\w-]+\n\z/, 'alone';
    chomp(my $token = $run->out);

    my ($expires) = (told($token) // '')
        =~ /^country=DE; by=header; expires=(\d+)$/;
    ok $expires, 'and taken' or diag told($token);
    cmp_ok abs($expires - time - 3600), '<', 30, 'for an hour';
    is $http->get('/', 'X-Consent-Override' => $token)->status, 302,
        'as a German';
    is told($token, 'shop'), undef, 'in its realm only';

    chomp(my $other = $ctl->run(qw(override --country de --realm shop))->out);
    like told($other, 'shop'), qr/country=DE/, 'or in another one';
};

subtest 'all words' => sub {
    my $data = $ctl->json(qw(override --country US --anonymizer vpn --time
        +30d --record outdated --residence FR --history 3 --label anna@qa
        --ttl 2d --url https://test.example.com/x?y=1))->data;
    my $words = 'country=US; anonymizer=vpn; time=+30d; record=outdated; '
        . 'residence=FR; history=3; label=anna@qa';

    is $data->{override}, $words, 'are told';
    like told($data->{token}), qr/^\Q$words\E; by=header/, 'and taken';
    is $data->{link}, 'https://test.example.com/x?y=1&consent_override='
        . $data->{token}, 'the link has the token';
    like $data->{expires}, qr/^\d{4}-\d\d-\d\dT/, 'and it ends';

    my ($uri) = $ctl->run(qw(override --country DE --url http://x.example/))
        ->out =~ m{^http://x\.example(/\?consent_override=\S+)$};
    is $http->get($uri)->location, '/', 'a link is followed';
};

subtest 'what is wrong' => sub {
    fails('nothing', 'nothing to be taken for: .*');
    fails('only a ttl', 'nothing to be taken for: .*', qw(--ttl 1h));
    fails('a country', '--country: "XX" is not a country',
        qw(--country XX));
    fails('a record', '--record: "good" is not a state of a record',
        qw(--record good));
    fails('a time', '--time: "soon" is not a time', qw(--time soon));
    fails('too long', '--ttl: "31d" is not a time of at most 30d',
        qw(--country DE --ttl 31d));
    fails('a link', '--url: "x" is not an http or https URL',
        qw(--country DE --url x));
    fails('an argument', 'override takes options only: "DE" is none', qw(DE));
};

$t->done;
