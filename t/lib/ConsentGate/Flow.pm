package ConsentGate::Flow;

# The way of a visitor through the gate: the page, its form, the answer.

use v5.36;

use Carp qw(croak);
use Digest::SHA qw(hmac_sha256 hmac_sha256_hex sha1_hex);
use Exporter qw(import);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);

our @EXPORT = qw(answer_as_script event_mac events fields flow_page flow_site
    key_of link_chain show answer);

# Which are the values of the page: name=[value] each.
my @ECHO = qw(form_token missing return country reason locale subject link);


# A page for root/policy-update.html: what the variables say, and problem=.
sub flow_page () {
    return join '', map({ qq{$_=[<!--# echo var="consent_$_" -->]\n} } @ECHO),
        qq{problem=[<!--# echo var="arg_problem" default="" -->]\n};
}


# A site behind the gate: page, API and files. Text within http {}; options:
# http, server, gate, page, api are more of each; listen its parameters.
sub flow_site (%options) {
    my %o = (http => '', server => '', gate => '', page => '', api => '',
        listen => '', %options);

    return <<"END";
    %%CONSENT%%
    %%REALIP%%
    $o{http}
    server {
        listen 127.0.0.1:%%PORT%% $o{listen};
        root %%ROOT%%;
        consent_gate on;
        consent_explain on;
        $o{server}
        location / {
            $o{gate}
        }
        location = /policy-update {
            $o{page}
            ssi on;
            default_type text/html;
            alias %%ROOT%%/policy-update.html;
        }
        location /consent/ {
            $o{api}
            consent_api;
        }
    }
END
}


# The name=[value] pairs of a response that holds the page.
sub fields ($response) {
    return { $response->body =~ /^(\w+)=\[(.*)\]$/mg };
}


# GET of the page: its values.
sub show ($http, $query = '') {
    my $response = $http->get('/policy-update' . ($query ne '' && "?$query"));
    my $fields   = fields($response);

    croak 'not the page: ' . $response->status if !exists $fields->{missing};

    $fields->{response} = $response;
    return $fields;
}


# Fills in the page and sends the form: POST accept with all that is open, or
# with the given fields instead. Returns the response.
sub answer ($http, %options) {
    my $what = delete $options{what} // 'accept';
    my $query = delete $options{query} // '';
    my $page = delete $options{page} // show($http, $query);
    my @headers = @{ delete $options{headers} // [] };

    my %form = (
        token    => $page->{form_token},
        return   => $page->{return},
        document => [split /,/, $page->{missing}],
        %options,
    );

    return $http->post("/consent/$what", \%form, @headers);
}


# The same by JSON: GET state, POST accept.
sub answer_as_script ($http, %options) {
    my $what  = delete $options{what} // 'accept';
    my $state = delete $options{state}
        // $http->get('/consent/state')->json;

    my %body = (
        token     => $state->{token},
        documents => $state->{missing},
        %options,
    );

    return $http->post("/consent/$what", JSON::PP->new->encode(\%body),
        'Content-Type' => 'application/json');
}


# The keys of the harness, as ConsentGate::Test::key_file writes them.
my %KEY = (
    subject => pack('H*', '0123456789abcdef' x 4),
    sign    => pack('H*', 'fedcba9876543210' x 4),
);


# The key of a subject's record, and of its events: derived as the design
# says, here once more.
sub key_of ($kind, $id, %options) {
    my $realm = $options{realm} // 'default';
    my %kinds = (visitor => 1, account => 2, test => 3);

    my $mac = hmac_sha256(pack('C n/a* n/a*', $kinds{$kind}, $realm, $id),
        $options{key} // $KEY{subject});
    my $tag  = substr unpack('H*', $mac), 0, 3;
    my $name = encode_base64url(substr $mac, 0, 16);

    return {
        record => "gc:s:{$tag}$name",
        events => "gc:a:{$tag}",
        name   => $name,
        check  => unpack('H*', substr $mac, 16, 4),
    };
}


# The events of a bucket, or of all, oldest first: body, mac, link as stored,
# and the decoded body's members.
sub events ($redis, $key = undef) {
    my @events;

    for my $bucket (defined $key ? $key : $redis->keys('gc:a:*')) {
        for my $entry (@{ $redis->cmd('XRANGE', $bucket, '-', '+') }) {
            my %f = @{ $entry->[1] };

            push @events, { %{ JSON::PP->new->utf8->decode($f{b}) },
                body => $f{b}, mac => $f{m}, link => $f{l},
                bucket => $bucket };
        }
    }

    @events = sort { $a->{time} <=> $b->{time} } @events;

    return @events;
}


sub event_mac ($body, $key = $KEY{sign}) {
    return hmac_sha256_hex($body, hmac_sha256('consent-gate event', $key));
}


# What the links of events must be, one after the other.
sub link_chain (@events) {
    my $link = '';

    return map { $link = sha1_hex($link . $_->{body} . $_->{mac}) } @events;
}

1;

__END__

=head1 NAME

ConsentGate::Flow - what a visitor does, and what is left of it in Redis

=head1 SYNOPSIS

    $t->page('policy-update.html', flow_page);
    $t->page('index.html', 'home');
    $t->nginx(flow_site(server => 'consent_realm shop;'));

    my $browser = $t->browser('DE');
    my $page = show($browser, 'return=/&need=terms');   # its values
    my $r = answer($browser, page => $page);            # accepts all of it
    my $r = answer($browser, what => 'decline');

    my ($event) = events($t->redis);
    is $event->{mac}, event_mac($event->{body});

=cut
