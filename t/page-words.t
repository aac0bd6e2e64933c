use v5.36;

# The pages that come with the gate say what is true of this visitor: who is
# asked, and why; in the title, too, what has happened.

use lib 't/lib';
use Test::More;
use ConsentGate::Link;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->key_file('subject ' . '0123456789abcdef' x 4,
    'sign k1 ' . 'fedcba9876543210' x 4);

my ($list) = slurp("$ConsentGate::Test::ROOT/src/core/cg_country.c")
    =~ /cg_eea\[\]\[3\] = \{(.*?)\n\};/s;
my @eea = $list =~ /"([A-Z]{2})"/g;

sub page_location ($uri, $file) {
    return "location = $uri { ssi on; default_type text/html; "
        . "alias %%TOP%%/conf/pages/$file.html; }\n";
}

$t->page('index.html', 'home');
$t->nginx('%%CONSENT%%
    consent_purpose support;
    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        consent_gate on;
        consent_country $http_x_country;
        consent_territory all;
        consent_subject $http_x_account;
        consent_choices_page /privacy-choices;
        consent_ask_age on;
        consent_age_page /age;
        location / { }
        location /consent/ { consent_api; }
' . page_location('/policy-update', 'policy-update')
    . page_location('/privacy-choices', 'privacy-choices')
    . page_location('/age', 'age') . '}');

my $http = $t->http(headers => [Accept => 'text/html']);
my $n = 0;

sub page ($uri, $country, $who = 'w' . ++$n) {
    my $r = $http->get($uri, 'X-Account' => $who, 'X-Country' => $country);
    is $r->status, 200, "$uri, $country";
    unlike $r->body, qr/<!--#|\(none\)/, 'all of it is filled in';
    return $r->body;
}

sub title ($html) { return $html =~ m{<title>(.*?)</title>}s ? $1 : '' }


subtest 'why one is asked' => sub {
    cmp_ok scalar @eea, '==', 38, 'the EEA';

    for (@eea) {
        like page('/policy-update', $_),
            qr/Economic Area\. Your internet address belongs to \w/, $_;
    }

    for (['GB', 'the United Kingdom'], ['CH', 'Switzerland'], ['BR', 'BR']) {
        my ($code, $name) = @$_;
        my $html = page('/policy-update', $code);
        like $html, qr/from some countries.* one of them, $name\./, 'outside';
        unlike $html, qr/Economic Area\. Your/, 'and not called the EEA';
    }
};


subtest 'titles' => sub {
    is title(page('/policy-update', 'DE')), 'Our policies – Example Learning',
        'the page';
    is title(page('/policy-update?problem=unticked', 'DE')),
        'Not recorded: Our policies – Example Learning', 'what went wrong';
    is title(page('/privacy-choices?problem=changed', 'DE')),
        'Not saved: Your choices – Example Learning', 'on that of choices';

    my $html = page('/age', 'DE');
    is title($html), 'One question about your age – Example Learning',
        'the page of minors, to who is not known to be one';
    like $html, qr{<h1>One question about your age</h1>}, 'as its heading';
};


subtest 'what is on record' => sub {
    my %token;

    for my $route (qw(accept age)) {
        my @who = ('X-Account' => $route, 'X-Country' => 'DE');
        my ($token) = $http->get('/policy-update', @who)->body
            =~ /name="token" value="([^"]+)"/;
        is $t->post("/consent/$route", "token=$token&document=terms&"
            . 'document=privacy&document=cookies&age='
            . ($route eq 'age' ? 'no' : 'yes'), @who, 'Content-Type' =>
            'application/x-www-form-urlencoded')->status, 303, $route;
    }

    my $html = page('/privacy-choices', 'DE', 'accept');
    like $html, qr{Terms\ of\ Use</a>\s*<p\ class="facts">Accepted,
        \ version\ 1\.}x, 'terms are accepted';
    like $html, qr{$_</a>\s*<p class="facts">Acknowledged, version 1\.},
        "the $_ is acknowledged" for 'Privacy Policy', 'Cookies Policy';
    unlike $html, qr/a parent or guardian has to help/, 'for who is old enough';

    like page('/privacy-choices', 'DE', 'age'),
        qr/To say yes, a parent or guardian has to help you/,
        'who is too young is told before, not after saving';
};


subtest 'by the link of an email' => sub {
    my $mail = $t->browser(undef, headers => ['X-Country' => 'DE']);
    my $r = $mail->get('/consent/link?t=' . link_token('mail'));
    is $r->location, '/policy-update', 'the link leads to the page';

    my $html = $mail->get('/policy-update')->body;
    like $html, qr/tick each box and accept/, 'what can be done';
    unlike $html, qr/where you were going/, 'and nothing that cannot';

    $html = $mail->get('/privacy-choices')->body;
    like $html, qr/sign in and open this page again/, 'choices: not by it';
    unlike $html, qr/<input|<li>|<form/, 'nothing of a form is left over';
};


$t->done;
