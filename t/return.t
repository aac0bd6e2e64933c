use v5.36;

# Where an answer leads back to is a path of this site, whatever was asked for.

use lib 't/lib';
use JSON::PP ();
use Test::More;
use ConsentGate::Flow;
use ConsentGate::HTTP;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('policy-update.html', flow_page);
$t->nginx(flow_site(server => 'consent_subject $http_x_test_account;'));

# As bytes, before any encoding for where they are put.
my @EVIL = (
    '//evil.example', '///evil.example', '////evil.example',
    '/\\evil.example', '\\evil.example', '\\\\evil.example',
    '/\\/evil.example',
    '\\/evil.example', '//evil.example/..', '/..//evil.example',
    '/.//evil.example', '/a//evil.example', '/a/\\evil.example',
    '/%2fevil.example', '/%2Fevil.example', '/%2f%2fevil.example',
    '/%5cevil.example', '/%5Cevil.example', '/%5c%5cevil.example',
    '/%252fevil.example', '/%255cevil.example', '/%25%32%66evil.example',
    '/%2%66evil.example', '/%', '/%2', '/%zz', '/a%g0',
    "/\tevil.example", "/\t/evil.example", "\t//evil.example",
    "/%09/evil.example", '/%2509/evil.example', '/%0d%0aSet-Cookie:%20a=b',
    "/\r\nSet-Cookie: a=b", "/a\r\nLocation: //evil.example",
    "/a\nSet-Cookie: a=b", "/a?b\r\nSet-Cookie: a=b", '/a?b%0d%0aSet-Cookie:x',
    '/a?%00', '/%00', "/\0", '/%0', '/a%0', "/a\x7f", '/a%7f', "/a\x0b",
    'https://evil.example', 'http://evil.example/', 'HTTPS://evil.example',
    'https:evil.example', 'https:/evil.example', 'https:///evil.example',
    'javascript:alert(1)', 'data:text/html,x', 'evil.example', '@evil.example',
    '?x', '#x', '/a#@evil.example', '/#//evil.example', '.', '..', '../x', ' ',
    ' /a', '/ a', '/a b', ' //evil.example', '//', '/\\', '',
    '//user@evil.example:80/', '//[::1]/', '//%65vil.example',
    "/\xff", "/\xc0\xaf\xc0\xafevil.example", "/\xe2\x80\xa8",
    "\xef\xbb\xbf//evil.example",
    '/' . 'a' x 2048, '/?' . 'a' x 2048, '//' . 'a' x 2048,
    "\x{ff}\x{ff}//evil.example", '/..%2f/evil.example', '/%2e%2e%2f%2fevil',
    '/a/..%5cevil.example', '/;//evil.example', '/&return=//evil.example',
);

my @GOOD = (
    '/', '/a', '/a/b.html', '/a?b=c&d=e', '/a?next=https://b.example/',
    '/a?x=//y', '/%C3%BC', '/a%20b', '/~x/@y:z', '/a;b=c', '/a?x=%2F%2Fy',
    '/..', '/a/../b', '/' . 'a' x 2047, '/+', '/a?b?c', '/a%3Fb',
);


# Where an answer leads back to: by form and by variable.
sub by_form ($http, $page, $return) {
    my $r = answer($http, page => $page, return => $return);
    return $r->status == 303 ? $r->location : $r->status;
}

sub query ($return) { return 'return=' . ConsentGate::HTTP::encode($return) }

sub quote ($text) {
    return length $text > 60 ? length($text) . ' bytes'
        : $text =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;
}


my $anna = $t->browser('DE', headers => ['X-Test-Account' => 'anna']);
my $page = show($anna);

subtest 'what leads elsewhere becomes /' => sub {
    for my $evil (@EVIL) {
        my $name = quote($evil);
        my $got = by_form($anna, $page, $evil);

        # a form with a NUL is no form
        is $got, $evil =~ /\0/ ? 400 : '/', "form: $name";
        is show($anna, query($evil))->{return}, '/', "page: $name";
    }
};

subtest 'what is of this site stays' => sub {
    for my $good (@GOOD) {
        my $name = quote($good);

        is by_form($anna, $page, $good), $good, "form: $name";
        is show($anna, query($good))->{return} =~ s/&amp;/&/gr, $good,
            "page: $name";
    }
};

# What a browser would send unencoded, or a link was forged to hold.
subtest 'arguments as they come' => sub {
    for my $raw ('//evil.example', '/\\evil.example', '/%2fevil.example',
        '%2f%2fevil.example', '%2F%5Cevil.example', '/%09/evil.example',
        '%252f%252fevil.example', '%2f%252fevil.example',
        'https://evil.example', 'https:%2f%2fevil.example', '/%0d%0aa', '%', '/%', '%2', '/%2',
        '%ff', '/%ff', '%00', "/\xff", '//evil.example&return=/a',
        '/%25%32%66evil.example')
    {
        is show($anna, "return=$raw")->{return}, '/', $raw;
    }

    is show($anna, 'x=1')->{return}, '/', 'none';
    is show($anna, 'return')->{return}, '/', 'without a value';
    is show($anna, 'return=')->{return}, '/', 'an empty one';
    is show($anna, 'xreturn=/a')->{return}, '/', 'another name';
    is show($anna, 'return=/a&return=//evil.example')->{return}, '/a',
        'the first of two counts';
};

subtest 'the page of a decline' => sub {
    for my $evil (@EVIL) {
        next if $evil =~ /\0/;
        my $r = answer($anna, what => 'decline', return => $evil);

        is $r->status, 303, 'a redirect';
        like $r->location, qr{^/policy-update\?return=/(?:&need=[\w,]+)?$},
            quote($evil);
    }
};

subtest 'the page again' => sub {
    for my $evil (grep { !/\0/ } @EVIL) {
        my $r = answer($anna, query => 'need=terms', document => ['x'],
            return => $evil);
        is $r->status, 422, 'an answer that is wrong';
        is fields($r)->{return}, '/', quote($evil);
    }
};

subtest 'JSON is not led anywhere' => sub {
    my $script = $t->script('DE', headers => ['X-Test-Account' => 'bert']);

    my $r = answer_as_script($script, return => '//evil.example');
    is $r->status, 200, 'success';
    is $r->location, undef, 'no Location';
    unlike $r->head . $r->body, qr/evil/, 'nothing of it in the answer';
};

subtest 'the redirect to the page' => sub {
    for my $uri ('//evil.example', '//evil.example/%2f..', '/\\evil.example',
        '/%5cevil.example', '/%2fevil.example', '/a%0d%0ab', '/a%09b',
        '/a?x=%0d%0aSet-Cookie:y', "/\xff", "/a?\xff", '/a//b',
        '/' . 'a' x 2048, '/%252fevil.example', 'http://evil.example//evil.example')
    {
        my $r = $t->browser('DE')->get($uri);
        is $r->status, 302, 'a redirect';
        like $r->location,
            qr{^/policy-update\?return=/&need=terms,privacy,cookies$},
            quote($uri);
    }

    for my $uri ('/a', '/a?b=c&need=x&return=//y', '/%C3%BC?q=a%20b', '/a%3Fb',
        '/?return=//evil.example', '/a/?=&%26')
    {
        my $browser = $t->browser('DE');
        my $r = $browser->get($uri);
        is $r->status, 302, 'a redirect';
        my ($query) = $r->location =~ m{^/policy-update\?(.*)$};
        my $page = show($browser, $query);

        is $page->{return} =~ s/&amp;/&/gr, $uri, "from $uri and back";
        is $page->{missing}, 'terms,privacy,cookies', 'need= is ours alone';
    }
};

$t->done;
