use v5.36;

# consent_gate $variable: request by request.

use lib 't/lib';
use Test::More;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update', 'the page');
$t->nginx(<<'END');
    %%CONSENT%%
    consent_explain on;
    %%REALIP%%

    map $http_x_share $share {
        default  off;
        ~^[0-4]  on;
        ~^[5-7]  report;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        consent_gate $http_x_mode;

        location / { }
        location /mapped/ { consent_gate $share; alias %%ROOT%%/; }
        location /joined/ { consent_gate "o$arg_rest"; alias %%ROOT%%/; }
        location /on/ { consent_gate on; alias %%ROOT%%/; }
        location /off/ { consent_gate off; alias %%ROOT%%/; }
        location /inner/ {
            consent_gate $share;
            location /inner/kept/ { alias %%ROOT%%/; }
        }
        location /handed-on/ {
            consent_gate report;
            try_files /none @switched-off;
        }
        location @switched-off {
            consent_gate $share;
            try_files /index.html =404;
        }
        location = /policy-update { default_type text/html; }
    }
END

my $http = $t->http(headers => [Accept => 'text/html',
    'X-Real-IP' => address_of('DE')]);


sub told ($uri, @headers) {
    my $r = $http->get($uri, @headers);
    my ($reason, $gate) = ($r->header('Consent-Gate') // '')
        =~ /reason=(\w+).*gate=(\w+)/;
    return join ' ', $r->status, $reason // '-', $gate // '-';
}


my ($ON, $OFF, $REPORT) = ('302 missing on', '200 off off',
    '200 missing report');

subtest 'what a value means' => sub {
    is told('/', 'X-Mode' => $_), $ON, "'$_' is on" for qw(on 1);
    is told('/', 'X-Mode' => $_), $OFF, "'$_' is off" for 'off', '0', '';
    is told('/'), $OFF, 'nothing is off';
    is told('/', 'X-Mode' => 'report'), $REPORT, 'report';
};

subtest 'a slip' => sub {
    for my $value (qw(On yes true offf reports none)) {
        my $from = $t->log_size;
        is told('/', 'X-Mode' => $value), $ON, "'$value' does not open";
        ok $t->wait_for_log(qr/\[warn\].*consent_gate: "\Q$value\E" is not/,
            from => $from), 'and is told of';
    }
};

subtest 'a map' => sub {
    is told('/mapped/', 'X-Share' => 1), $ON, 'on';
    is told('/mapped/', 'X-Share' => 6), $REPORT, 'report';
    is told('/mapped/', 'X-Share' => 9), $OFF, 'off';
    is told('/inner/kept/', 'X-Share' => 1), "302 missing on",
        'in a location inside';
};

subtest 'a value of several parts' => sub {
    is told('/joined/?rest=n'), $ON, 'on';
    is told('/joined/?rest=ff'), $OFF, 'off';
};

subtest 'a location with a word' => sub {
    is told('/on/', 'X-Mode' => 'off'), $ON, 'on, whatever';
    is told('/off/', 'X-Mode' => 'on'), '200 - -', 'off, whatever';
};

subtest 'a location that hands on to another' => sub {
    is told('/handed-on/', 'X-Share' => 6), $REPORT, 'which reports too';
    is told('/handed-on/', 'X-Share' => 9), $OFF,
        'which is off: nothing of the first one is told';
};

subtest 'the page' => sub {
    is told('/policy-update', 'X-Mode' => $_), "200 own $_", "is ours: $_"
        for qw(on off report);
};

$t->done;
