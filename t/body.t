use v5.36;

# What a POST may bring, and what the API says to all the rest.

use lib 't/lib';
use JSON::PP ();
use Test::More;
use ConsentGate::Flow;
use ConsentGate::HTTP;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('policy-update.html', flow_page);
$t->nginx(flow_site(
    http   => 'consent_purpose analytics;',
    server => 'consent_subject $http_x_test_account;
        location /file/ {
            client_body_in_file_only clean;
            consent_api;
        }
        location /small/ {
            client_body_buffer_size 16;
            consent_api;
        }',
));

my $redis = $t->redis;
my $FORM  = 'application/x-www-form-urlencoded';
my $JSON  = 'application/json';
my $LIMIT = 32768;

my $name = 'subject0';

# A script as an account that has not answered yet.
sub fresh () {
    return $t->script('DE', headers => ['X-Test-Account' => ++$name]);
}

sub state_of ($http) { return $http->get('/consent/state')->json }

sub full_form ($token) {
    return ConsentGate::HTTP::form({ token => $token,
        document => [qw(terms privacy cookies)] });
}

sub full_json ($token, %more) {
    return JSON::PP->new->canonical->encode({ token => $token,
        documents => [qw(terms privacy cookies)], %more });
}

# Status and problem of a POST; "200" and "303" are success.
sub outcome ($r) {
    return $r->status if ($r->header('Content-Type') // '') !~ /problem/;
    my $problem = $r->json;
    is $problem->{status}, $r->status, 'the problem names its status';
    return $r->status . ' ' . $problem->{type} =~ s/^urn:consent-gate://r;
}

# $make gets a token and returns a body.
sub try_body ($type, $make, @headers) {
    my $http = fresh;
    my $body = $make->(state_of($http)->{token});

    return outcome($http->post('/consent/accept', $body,
        defined $type ? ('Content-Type' => $type) : (), @headers));
}


subtest 'media types' => sub {
    for my $type ($FORM, "$FORM; charset=UTF-8", uc $FORM, "$FORM;x") {
        is try_body($type, \&full_form), 303, "form: $type";
    }
    for my $type ($JSON, "$JSON; charset=utf-8", uc $JSON, "$JSON ;x") {
        is try_body($type, \&full_json), 200, "JSON: $type";
    }
    for my $type (undef, '', 'text/plain', 'text/json', "${JSON}p", "x$JSON",
        'application/problem+json', 'multipart/form-data; boundary=x',
        "text/plain; $JSON", "${FORM}ed", 'application', '*/*')
    {
        is try_body($type, \&full_json), '415 media-type',
            'neither: ' . ($type // 'no header');
    }
};

subtest 'sizes' => sub {
    my $pad = sub ($make, $size) {
        return sub ($token) {
            my $body = $make->($token);
            return $body . ' ' x ($size - length $body);
        };
    };
    my $form = sub ($token) { full_form($token) . '&x=' };

    is try_body($FORM, $pad->($form, $LIMIT)), 303, 'a form that just fits';
    is try_body($JSON, $pad->(\&full_json, $LIMIT)), 200, 'JSON that just fits';
    is try_body($FORM, $pad->($form, $LIMIT + 1)), '413 too-large',
        'a form of one byte more';
    is try_body($JSON, $pad->(\&full_json, 500_000)), '413 too-large',
        'JSON much too large';

    my $chunked = sub ($make) {
        return sub ($token) {
            my $body = $make->($token);
            return join('', map { sprintf "%x\r\n%s\r\n", length, $_ }
                $body =~ /(.{1,1000})/gs) . "0\r\n\r\n";
        };
    };
    my @chunked = ('Transfer-Encoding' => 'chunked');

    is try_body($JSON, $chunked->(\&full_json), @chunked), 200, 'in chunks';
    is try_body($FORM, $chunked->($pad->($form, $LIMIT)), @chunked), 303,
        'that just fit';
    is try_body($FORM, $chunked->($pad->($form, $LIMIT + 1)), @chunked),
        '413 too-large', 'that do not';
    is try_body($FORM, $chunked->($pad->($form, 300_000)), @chunked),
        '413 too-large', 'by far';
    is try_body($FORM, sub ($) { "0\r\n\r\n" }, @chunked), 403, 'not even one';
    is try_body($FORM, sub ($) { "zz\r\n" }, @chunked), 400, 'that are none';

    # the connection is still of use after a body that nobody has read
    my $http = fresh;
    $http->post('/consent/accept', 'x' x 100_000, 'Content-Type' => $FORM);
    is state_of($http)->{reason}, 'missing', 'the next request is whole';
};

subtest 'a body in a file' => sub {
    for my $where (qw(file small)) {
        my $http = fresh;
        my $token = state_of($http)->{token};
        is $http->post("/$where/accept", full_form($token),
            'Content-Type' => $FORM)->status, 303, "$where: a form";

        $http = fresh;
        $token = state_of($http)->{token};
        my $body = full_json($token, x => 'y' x 20_000);
        is $http->post("/$where/accept", $body, 'Content-Type' => $JSON)
            ->status, 200, "$where: JSON";

        $http = fresh;
        is outcome($http->post("/$where/accept", 'x' x 40_000,
            'Content-Type' => $FORM)), '413 too-large', "$where: too much";
    }
};

subtest 'a body in pieces' => sub {
    my $http = fresh;
    my $request = $http->format_request('POST', '/consent/accept',
        ['Content-Type' => $FORM], full_form(state_of($http)->{token}));

    # up to the end of the headers, and each byte of the beginning on its own
    $http->send_raw($_) for $request =~ /\A(.*?\r\n\r\n)(.)(.)(.)(.*)\z/s;
    is $http->read_response->status, 303, 'is put together';
};

subtest 'malformed forms' => sub {
    for my $end ('%', '&%', '&x=%', '&x=%4', '&x=%zz', '&x=%00', '&%00=x',
        "&x=\0", "\0", '&%u0041=x')
    {
        is try_body($FORM, sub ($token) { full_form($token) . $end }),
            '400 malformed', $end =~ s/\0/\\0/r;
    }

    for my $twice ('token=x', 'token=', 'return=/x', 'residence=DE&residence=FR',
        'age=no&age=yes', 'age=yes&age=no', 'age=yes&age=yes', 'a%67e=no&age=no')
    {
        is try_body($FORM, sub ($token) {
            full_form($token) . '&return=%2F&' . $twice
        }), '400 malformed', "what is said once, twice: $twice";
    }

    my $taken = 0;
    for my $more ('&', '&&&', '&=', '&x', '&=x', '&x=y=z', '&x=+', '&;') {
        $taken += try_body($FORM, sub ($token) { full_form($token) . $more })
            eq '303';
    }
    is $taken, 8, 'what is odd and well-formed is taken';

    for my $body ('', '&', '=', 'x=y', 'token', 'token=', 'document=terms') {
        my $r = fresh->post('/consent/accept', $body, 'Content-Type' => $FORM);
        is $r->status, 403, "without a token: $body";
        is fields($r)->{problem}, 'expired', 'the page';
    }
};

subtest 'malformed JSON' => sub {
    my %bad = (
        'nothing'            => sub ($) { '' },
        'white space'        => sub ($) { " \n" },
        'null'               => sub ($) { 'null' },
        'a number'           => sub ($) { '1' },
        'a string'           => sub ($) { '"x"' },
        'a list'             => sub ($) { '[]' },
        'a list of it'       => sub ($k) { '[' . full_json($k) . ']' },
        'cut off'            => sub ($k) { substr full_json($k), 0, -1 },
        'more behind'        => sub ($k) { full_json($k) . 'x' },
        'two'                => sub ($k) { full_json($k) x 2 },
        'a NUL behind'       => sub ($k) { full_json($k) . "\0" },
        'a NUL before'       => sub ($k) { "\0" . full_json($k) },
        'a byte order mark'  => sub ($k) { "\xef\xbb\xbf" . full_json($k) },
        'a duplicate key'    => sub ($k) { qq({"token":"$k","token":"$k"}) },
        'a key in two spellings' =>
            sub ($k) { qq({"token":"$k","\\u0074oken":"$k"}) },
        'an escaped NUL'     => sub ($k) { qq({"token":"$k\\u0000"}) },
        'a NUL in a key'     => sub ($k) { qq({"token\\u0000":"$k"}) },
        'not UTF-8'          => sub ($k) { qq({"token":"$k","x":"\xff"}) },
        'half a surrogate'   => sub ($k) { qq({"token":"$k","x":"\\ud800"}) },
        'token a number'     => sub ($) { '{"token":1}' },
        'token null'         => sub ($) { '{"token":null}' },
        'token a list'       => sub ($k) { qq({"token":["$k"]}) },
        'return a number'    => sub ($k) { qq({"token":"$k","return":1}) },
        'documents a string' => sub ($k) { qq({"token":"$k","documents":"x"}) },
        'documents an object' => sub ($k) { qq({"token":"$k","documents":{}}) },
        'documents null'     =>
            sub ($k) { qq({"token":"$k","documents":null}) },
        'documents of numbers' =>
            sub ($k) { qq({"token":"$k","documents":[1]}) },
        'documents of lists' =>
            sub ($k) { qq({"token":"$k","documents":[[]]}) },
        'purposes an object' =>
            sub ($k) { qq({"token":"$k","purposes":{"analytics":true}}) },
        'deep nesting'       => sub ($) { '[' x 30_000 },
        'deep and closed'    => sub ($k) { qq({"x":) . '[' x 9_000
            . ']' x 9_000 . qq(,"token":"$k"}) },
        'deep objects'       => sub ($) { '{"a":' x 6_000 },
        'a comma too many'   => sub ($k) { qq({"token":"$k",}) },
        'a huge number'      => sub ($k) { qq({"token":"$k","x":1e999}) },
    );

    is try_body($JSON, $bad{$_}), '400 malformed', $_ for sort keys %bad;

    is try_body($JSON, sub ($k) { full_json($k, x => [{}], y => undef) }), 200,
        'members that it does not know are left alone';
    is try_body($JSON, sub ($k) { full_json($k, documents =>
        [qw(terms terms privacy cookies terms)]) }), 200, 'one named twice';
    is try_body($JSON, sub ($k) { full_json($k, documents =>
        [("x") x 5000]) }), '422 not-shown', 'many that do not exist';
    is try_body($JSON, sub ($) { '{}' }), '403 expired', 'no member at all';
};

subtest 'resources and methods' => sub {
    my $http = fresh;

    for my $uri ('', 'x', 'accept/', 'accept/x', 'acceptx', 'Accept', 'stat',
        'state/', 'state.json', 'state%3F', 'state%2F', '%20state')
    {
        for my $method (qw(GET POST)) {
            my $r = $http->request($method, "/consent/$uri", [],
                $method eq 'POST' ? 'x' : undef);
            is outcome($r), '404 not-found', "$method /consent/$uri";
        }
    }

    is $http->get('/consent/%73tate')->status, 200, 'an escape is undone';
    is $http->get('/consent//state')->status, 200, 'slashes are merged';

    my %allow = (state => 'GET, HEAD, OPTIONS', accept => 'POST, OPTIONS',
        decline => 'POST, OPTIONS');

    for my $name (sort keys %allow) {
        for my $method (qw(GET HEAD POST PUT DELETE PATCH PROPFIND)) {
            next if $allow{$name} =~ /\b$method\b/;
            my $r = $http->request($method, "/consent/$name",
                ['Content-Type' => $FORM], 'token=x');
            is $r->status, 405, "$method of $name";
            is $r->header('Allow'), $allow{$name}, 'says which';
        }

        my $r = $http->request('OPTIONS', "/consent/$name");
        is $r->status, 204, "OPTIONS of $name";
        is $r->header('Allow'), $allow{$name}, 'says which';
        is $r->body, '', 'and no more';
        is $r->header('Access-Control-Allow-Origin'), undef,
            'other sites may not';
    }

    my $r = $http->head('/consent/state');
    is $r->status, 200, 'HEAD of the state';
    is $http->get('/consent/state?x=y')->status, 200, 'with arguments';
};

subtest 'chunks that are none, and were not asked for' => sub {
    for my $request (['GET', 'state'], ['PATCH', 'accept'], ['GET', 'x']) {
        my ($method, $name) = @$request;
        is fresh->request($method, "/consent/$name",
            ['Transfer-Encoding' => 'chunked'], 'no chunk')->status, 400,
            "$method $name";
    }
};

subtest 'Expect: 100-continue' => sub {
    my $http = fresh;
    my $r = $http->post('/consent/accept', full_json(state_of($http)->{token}),
        'Content-Type' => $JSON, Expect => '100-continue');
    is $r->status, 200, 'is heard';
};

subtest 'every answer is of the moment' => sub {
    my $http = fresh;
    for my $r ($http->get('/consent/state'), $http->get('/consent/x'),
        $http->get('/consent/accept'), $http->post('/consent/accept', 'x'),
        $http->request('OPTIONS', '/consent/state'))
    {
        is $r->header('Cache-Control'), 'no-store', $r->status . ': no-store';
        is $r->header('Content-Security-Policy'), q(frame-ancestors 'none'),
            'not in frames';
        is $r->header('X-Content-Type-Options'), 'nosniff', 'as declared';
    }
};

$t->done;
